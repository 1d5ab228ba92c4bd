"""What a port serves now, in a line: whether it answers, with TLS, and whether it takes logins. No login is tried."""

from runbook_lib.mail.probes.asker import IMPLICIT_TLS_PORT, Asker
from runbook_lib.mail.probes.obstacle import Kind, Stage, Stopped
from runbook_lib.mail.probes.smtp import Reply
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.messages import joined, message

_MAIL_OF_OTHERS = 25  # nobody is to log in there


_ENDS = message("WRONG: its smtpd ends; `journalctl -g fatal -n 5` says why")
_IN_CLEAR = message(
    "WRONG: before TLS, too, so that passwords can be read on the way: set smtpd_tls_auth_only = yes in main.cf, or "
    "take smtpd_sasl_auth_enable = yes out, then postfix reload"
)


def served(asker: Asker, endpoint: Endpoint) -> str:
    """What a client is offered, as the end of 'port 587 …'; what is wrong with it, and what ends that.

    Args:
        asker: from where it is asked.
        endpoint: whom to ask.
    """
    try:
        in_clear = [] if endpoint.port == IMPLICIT_TLS_PORT else _in_clear(asker, endpoint)
        with asker.connect(endpoint) as talk:
            return joined("; ", [_with_tls(asker.secure(talk, asker.blind), endpoint), *in_clear])
    except Stopped as stop:
        if stop.obstacle.kind is not Kind.NOT_OFFERED:
            return _nobody(stop)
    try:
        with asker.connect(endpoint) as talk:
            talk.greeting()
            return joined("; ", [_without_tls(talk.ehlo(asker.target.ehlo), endpoint), *in_clear])
    except Stopped as stop:
        return _nobody(stop)


def _in_clear(asker: Asker, endpoint: Endpoint) -> list[str]:
    with asker.connect(endpoint) as talk:
        talk.greeting()
        return [] if talk.ehlo(asker.target.ehlo).extension("AUTH") is None else [_IN_CLEAR]


def _nobody(stop: Stopped) -> str:
    ends = stop.obstacle.kind in (Kind.CLOSED, Kind.SILENT) and stop.obstacle.stage is not Stage.HANDSHAKE
    words = message("serves nobody now: {reason}", reason=stop.obstacle.words)
    return joined("; ", [words, _ENDS]) if ends else words


def _with_tls(hello: Reply, endpoint: Endpoint) -> str:
    offered = hello.extension("AUTH")
    if offered is not None:
        return message("answers with TLS, offers logins ({mechanisms})", mechanisms=" ".join(offered))
    if endpoint.port == _MAIL_OF_OTHERS:
        return message("answers with TLS")
    return message("answers with TLS, takes no logins now")


def _without_tls(hello: Reply, endpoint: Endpoint) -> str:
    offered = hello.extension("AUTH")
    if offered is not None:
        return message("answers without TLS, offers logins ({mechanisms})", mechanisms=" ".join(offered))
    if endpoint.port == _MAIL_OF_OTHERS:
        return message("answers without TLS")
    return message("answers without TLS, takes no logins now")
