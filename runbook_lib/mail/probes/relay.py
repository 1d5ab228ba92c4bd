"""Claims about what a server does for somebody who has not logged in."""

import re

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.mail.probes.sight import RelayTry, Sight
from runbook_lib.mail.probes.smtp import Reply
from runbook_lib.mail.probes.standing import as_a_stranger
from runbook_lib.mail.probes.survey import Judged, Survey, blocked
from runbook_lib.mail.probes.target import SUBMISSION_PORTS
from runbook_lib.messages import message

NO_RELAY_WITHOUT_LOGIN = message("Without a login nothing is relayed, on any port")
SMTPUTF8_AS_OFFERED = message("Addresses outside ASCII are declared with SMTPUTF8 where the server offers it")

# A refusal for one of these reasons says nothing about the relay rule behind it.
_OTHER_REASON = re.compile(
    r"client host rejected|helo command rejected|sender address rejected|blocked using|domain not found|"
    r"greylist|try again|service (currently )?unavailable",
    re.IGNORECASE,
)


def no_relay_without_login(survey: Survey) -> list[Row]:
    """A foreign recipient is refused at RCPT, for a foreign sender and for one of the server's own domain.

    Only a stranger can ask that: 'could not test' where the host itself had to be asked, or where it counts this
    client to its own. Without a look into the host its `mynetworks` are not known; the row has the address that was
    asked from.
    """
    target = survey.target

    def row(sight: Sight) -> Row:
        if not sight.relay:
            command = byhand.relay(sight.endpoint, target)
            return survey.row(NO_RELAY_WITHOUT_LOGIN, sight.endpoint, blocked(sight.obstacle), command)
        judged, tried = _worst(sight)
        command = byhand.relay(
            sight.endpoint,
            target,
            own=sight.own,
            sender_domain=target.domain if tried.sender_is_local else target.foreign_domain,
            in_clear=tried.in_clear,
        )
        judged = as_a_stranger(survey, sight.endpoint, judged)
        return survey.row(NO_RELAY_WITHOUT_LOGIN, sight.endpoint, judged, command)

    rows = [row(sight) for sight in survey.sights(target.ports)]
    return rows or survey.unasked(NO_RELAY_WITHOUT_LOGIN, target.ports)


def smtputf8_as_offered(survey: Survey) -> list[Row]:
    """MAIL with SMTPUTF8 is understood where EHLO offers it (RFC 6531, 3.1); elsewhere it is not sent."""
    return survey.judge_each(
        SMTPUTF8_AS_OFFERED,
        SUBMISSION_PORTS,
        _judge_smtputf8,
        lambda at: byhand.hello(at, survey.target, survey.own(at)),
    )


def _judge_smtputf8(sight: Sight) -> Judged:
    if sight.secure_hello is None:
        return blocked(sight.obstacle)
    if sight.secure_hello.extension("SMTPUTF8") is None:
        return Verdict.PASS, message("SMTPUTF8 offered: no; addresses outside ASCII cannot be used here")
    reply = sight.smtputf8
    if reply is None:
        return blocked(sight.obstacle)
    if reply.code in (501, 504, 555):
        return Verdict.FAIL, message(
            "SMTPUTF8 offered: yes; but MAIL with it is not understood ({reply})", reply=reply.brief
        )
    return Verdict.PASS, message("SMTPUTF8 offered: yes; MAIL with it: {code}", code=reply.code)


def _worst(sight: Sight) -> tuple[Judged, RelayTry]:
    """The worse answer to the two senders speaks for the port."""
    gravity = (Verdict.FAIL, Verdict.UNTESTED, Verdict.PASS)
    return min(
        ((_judge_try(sight.endpoint.port, found), found) for found in sight.relay),
        key=lambda judged: gravity.index(judged[0][0]),
    )


def _judge_try(port: int, found: RelayTry) -> Judged:
    if found.rcpt is not None and found.rcpt.code in (250, 251, 252):
        if found.sender_is_local:
            return Verdict.FAIL, message(
                "a foreign recipient is taken without a login, from a sender of its own domain ({code})",
                code=found.rcpt.code,
            )
        return Verdict.FAIL, message(
            "a foreign recipient is taken without a login, from a foreign sender ({code})",
            code=found.rcpt.code,
        )
    reply = found.rcpt or found.mail
    if _refuses(port, reply, at_rcpt=found.rcpt is not None):
        step = "RCPT" if found.rcpt else "MAIL"
        return Verdict.PASS, message("refused at {step} ({reply})", step=step, reply=reply.brief)
    return Verdict.UNTESTED, message("refused before the relay rule was asked ({reply})", reply=reply.brief)


def _refuses(port: int, reply: Reply, *, at_rcpt: bool) -> bool:
    """Whether a refusal proves that nothing is relayed.

    On 465 and 587 nobody may send without a login, so any permanent refusal does. On 25 it must be the relay
    rule's own: at RCPT, permanent or 'deferred' (454, Postfix's defer_unauth_destination).
    """
    if port in SUBMISSION_PORTS and reply.code >= 500:
        return True
    if not at_rcpt or _OTHER_REASON.search(reply.brief):
        return False
    return reply.code >= 500 or "relay" in reply.brief.lower()
