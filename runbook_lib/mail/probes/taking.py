"""The claim about other servers' mail: port 25 takes what is for the domain, from a stranger."""

import re

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.mail.probes.sight import Sight
from runbook_lib.mail.probes.smtp import Reply
from runbook_lib.mail.probes.standing import no_stranger
from runbook_lib.mail.probes.survey import Judged, Survey, blocked
from runbook_lib.messages import message

MAIL_TAKEN_ON_25 = message("Port 25 takes mail for the domain from a stranger")

_NOT_ITS_OWN = re.compile(
    r"relay(ing)?( access)? (is )?(denied|not permitted)|unable to relay", re.IGNORECASE
)
_GREYLISTED = re.compile(r"gr[ae]y.?list", re.IGNORECASE)
# About who asks, and not about the mail.
_WHO_ASKS = re.compile(
    r"client host rejected|helo command rejected|sender address rejected|blocked using|too many|rate limit",
    re.IGNORECASE,
)
_NOBODY = re.compile(r"user unknown|unknown user|no such (user|recipient)|does not exist", re.IGNORECASE)


def mail_taken_on_25(survey: Survey) -> list[Row]:
    """A recipient of the domain is taken at RCPT, as a server elsewhere names one; nothing is sent.

    It is the account for checks, else the domain's postmaster: the bare postmaster is taken whatever a server's lists
    say (RFC 5321, 4.5.1). Where mail for the domain is another server's, nothing can be asked of this one; greylisting
    is an answer, too. Neither leaves a run unproven: both are how the server is meant to be.
    """
    target = survey.target

    def judge(sight: Sight) -> Judged:
        if sight.own_recipient is None:
            return blocked(sight.obstacle)
        verdict, words = _judge(
            sight.own_recipient, target.own_recipient, by_account=target.account is not None
        )
        # Who is refused although the server may count them to its own is refused as a stranger, too.
        if verdict is Verdict.PASS and (why := no_stranger(survey, sight.endpoint)):
            return Verdict.UNTESTED, why
        return verdict, words

    return survey.judge_each(
        MAIL_TAKEN_ON_25,
        (25,),
        judge,
        lambda at: byhand.own_recipient(at, target, survey.own(at)),
    )


def _judge(reply: Reply, recipient: str, *, by_account: bool) -> Judged:
    if reply.code in (250, 251, 252):
        return Verdict.PASS, message("{recipient}: taken ({code})", recipient=recipient, code=reply.code)
    if _NOT_ITS_OWN.search(reply.brief):
        domain = recipient.rpartition("@")[2]
        return Verdict.UNASKED, message(
            "mail for {domain} is not this server's to take ({reply})", domain=domain, reply=reply.brief
        )
    if _GREYLISTED.search(reply.brief):
        return Verdict.UNASKED, message(
            "{recipient}: greylisted: a stranger has to come again, and this asks once ({reply})",
            recipient=recipient,
            reply=reply.brief,
        )
    if _WHO_ASKS.search(reply.brief):
        return Verdict.UNTESTED, message(
            "{recipient}: refused for who asks, which says nothing about others ({reply})",
            recipient=recipient,
            reply=reply.brief,
        )
    if _NOBODY.search(reply.brief) and not by_account:
        return Verdict.UNTESTED, message(
            "{recipient}: there is no such mailbox, which every domain has to have (RFC 5321, 4.5.1) ({reply})",
            recipient=recipient,
            reply=reply.brief,
        )
    return Verdict.FAIL, message(
        "{recipient}: refused, so other servers' mail does not come in ({reply})",
        recipient=recipient,
        reply=reply.brief,
    )
