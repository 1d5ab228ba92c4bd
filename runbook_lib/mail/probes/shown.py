"""Which certificates a port shows, and no more: no login, no recipient, nothing that counts as a try."""

import ssl

from runbook_lib.mail.probes.asker import Asker
from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stopped
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.mail.probes.tls import Tls, read_tls


def shown(asker: Asker, endpoint: Endpoint, name: str | None = "") -> Tls | Obstacle:
    """What a handshake shows, or why there was none; without trust where the certificate is refused.

    Args:
        asker: whose trust, and from where.
        endpoint: whom to ask.
        name: the name to ask by in place of the target's; None: the client sends none, so the chain alone is judged.
    """
    untrusted = ""
    for context in (asker.trusting_any_name if name is None else asker.trusting, asker.blind):
        try:
            with asker.connect(endpoint) as talk:
                return read_tls(asker.begin_tls(talk, context, name), untrusted)
        except Stopped as stop:
            if stop.obstacle.kind is not Kind.UNTRUSTED or untrusted:
                return stop.obstacle
            untrusted = stop.obstacle.words
    raise AssertionError("the second context trusts everything, so it was not refused for trust")


def shown_to(asker: Asker, endpoint: Endpoint, context: ssl.SSLContext, name: str | None) -> Tls | Obstacle:
    """What a handshake shows to a client that asks by another name than the target's, or by none.

    Args:
        asker: from where.
        endpoint: whom to ask.
        context: one of the asker's: `blind`, `trusting` (name and chain), or `trusting_any_name` (the chain).
        name: whom the client asks for; None: it sends no name.
    """
    try:
        with asker.connect(endpoint) as talk:
            return read_tls(
                asker.begin_tls(talk, context, name), "" if context is not asker.blind else "not verified"
            )
    except Stopped as stop:
        return stop.obstacle
