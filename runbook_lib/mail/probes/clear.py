"""Claims about what a server says and takes before TLS."""

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.asker import IMPLICIT_TLS_PORT
from runbook_lib.mail.probes.obstacle import Obstacle, Stage
from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.mail.probes.sight import Sight, look_in_clear
from runbook_lib.mail.probes.survey import Judged, Survey, blocked
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.messages import message

NO_AUTH_IN_CLEAR = message("No port offers AUTH in clear, and AUTH sent all the same is refused")
ONLY_TLS_ON_465 = message("Port 465 answers nothing but TLS")
STARTTLS_OFFERED = message("Ports 25 and 587 offer STARTTLS")
NO_MAIL_BEFORE_STARTTLS = message("Port 587 refuses MAIL before STARTTLS")

# RFC 4954, 4 and 6: not permitted, needs encryption, not known. 535 and 454: a password was looked at.
_AUTH_REFUSED_UNREAD = frozenset({500, 502, 503, 504, 530, 538})


def no_auth_in_clear(survey: Survey) -> list[Row]:
    """Before TLS no AUTH is offered, and one sent all the same, with a made-up name, is not looked at."""
    return survey.judge_each(
        NO_AUTH_IN_CLEAR,
        _clear_ports(survey),
        _judge_auth,
        lambda at: byhand.clear_auth(at, survey.target, survey.own(at)),
    )


def only_tls_on_465(survey: Survey) -> list[Row]:
    """An EHLO in clear on 465 gets no SMTP reply (RFC 8314, 3)."""
    rows = [
        survey.row(
            ONLY_TLS_ON_465, endpoint, _judge_answer(*answer), byhand.clear_hello(endpoint, survey.target)
        )
        for endpoint, answer in survey.once(_clear_answers)
    ]
    return rows or survey.unasked(ONLY_TLS_ON_465, (465,))


def starttls_offered(survey: Survey) -> list[Row]:
    """25, 587 and whatever other port was named greet in clear and offer STARTTLS (RFC 3207)."""
    return survey.judge_each(
        STARTTLS_OFFERED,
        _clear_ports(survey),
        _judge_starttls,
        lambda at: byhand.clear_hello(at, survey.target, survey.own(at)),
    )


def no_mail_before_starttls(survey: Survey) -> list[Row]:
    """587 takes no MAIL in clear (RFC 3207, 4: code 530)."""
    return survey.judge_each(
        NO_MAIL_BEFORE_STARTTLS,
        (587,),
        _judge_mail,
        lambda at: byhand.clear_mail(at, survey.target, survey.own(at)),
    )


def _clear_ports(survey: Survey) -> tuple[int, ...]:
    """The ports that begin in clear."""
    return tuple(port for port in survey.target.ports if port != IMPLICIT_TLS_PORT)


def _clear_answers(survey: Survey) -> list[tuple[Endpoint, tuple[bytes, Obstacle | None]]]:
    return survey.at_once(lambda endpoint: look_in_clear(survey.asker, endpoint), survey.endpoints((465,)))


def _judge_auth(sight: Sight) -> Judged:
    hello, reply = sight.clear_hello, sight.clear_auth
    if hello is None or reply is None:
        return blocked(sight.obstacle)
    # `AUTH=PLAIN` is the old spelling (broken_sasl_auth_clients) for clients of the document's day.
    offered = any(
        line.upper().startswith(("AUTH ", "AUTH=")) or line.upper() == "AUTH" for line in hello.lines[1:]
    )
    if reply.code not in _AUTH_REFUSED_UNREAD:
        if offered:
            return Verdict.FAIL, message(
                "AUTH is offered in clear, and a password sent all the same is looked at ({reply})",
                reply=reply.brief,
            )
        return Verdict.FAIL, message(
            "AUTH is not offered in clear, but a password sent all the same is looked at ({reply})",
            reply=reply.brief,
        )
    if offered:
        return Verdict.FAIL, message(
            "AUTH is offered in clear (sent all the same, it is refused: {reply})", reply=reply.brief
        )
    return Verdict.PASS, message("not offered; sent all the same: {reply}", reply=reply.brief)


def _judge_answer(answer: bytes, obstacle: Obstacle | None) -> Judged:
    if obstacle is not None:
        return blocked(obstacle)
    if answer[:1].isdigit():
        code = answer[:3].decode("ascii", errors="replace")
        return Verdict.FAIL, message(
            "the port answers plain SMTP ({code}) where TLS is expected from the first byte", code=code
        )
    return Verdict.PASS, message("an EHLO in clear gets no SMTP answer")


def _judge_starttls(sight: Sight) -> Judged:
    if sight.clear_hello is None:
        return blocked(sight.obstacle, Stage.GREETING, Stage.CLEAR)
    if sight.clear_hello.extension("STARTTLS") is None:
        return Verdict.FAIL, message("EHLO does not offer STARTTLS")
    return Verdict.PASS, message("EHLO offers STARTTLS")


def _judge_mail(sight: Sight) -> Judged:
    reply = sight.clear_mail
    if reply is None:
        return blocked(sight.obstacle)
    if reply.code == 530:
        return Verdict.PASS, message("refused ({reply})", reply=reply.brief)
    if reply.code == 250:
        return Verdict.FAIL, message("MAIL is taken in clear (250)")
    return Verdict.FAIL, message("MAIL in clear is not refused for want of TLS ({reply})", reply=reply.brief)
