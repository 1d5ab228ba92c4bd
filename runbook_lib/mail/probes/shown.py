"""Which certificates a port shows, and no more: no login, no recipient, nothing that counts as a try."""

from runbook_lib.mail.probes.asker import Asker
from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stopped
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.mail.probes.tls import Tls, read_tls


def shown(asker: Asker, endpoint: Endpoint) -> Tls | Obstacle:
    """What a handshake shows, or why there was none; without trust where the certificate is refused.

    Args:
        asker: whose trust, and from where.
        endpoint: whom to ask.
    """
    untrusted = ""
    for context in (asker.trusting, asker.blind):
        try:
            with asker.connect(endpoint) as talk:
                return read_tls(asker.begin_tls(talk, context), untrusted)
        except Stopped as stop:
            if stop.obstacle.kind is not Kind.UNTRUSTED or untrusted:
                return stop.obstacle
            untrusted = stop.obstacle.words
    raise AssertionError("the second context trusts everything, so it was not refused for trust")
