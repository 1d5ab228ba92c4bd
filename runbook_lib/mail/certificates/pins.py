"""What others were told about the certificate on port 25: TLSA records, and the domain's MTA-STS policy."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from runbook_lib.mail.certificates import mta_sts
from runbook_lib.mail.probes.names import exchangers
from runbook_lib.mail.probes.tlsa import is_match, standing_at
from runbook_lib.messages import message
from runbook_lib.x509 import dns_id


@dataclass(frozen=True)
class Pins:
    """What holds a certificate in its place.

    Args:
        reasons: each pin, in words.
        unanswered: each question that got no answer, in words.
    """

    reasons: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()


def ask(
    chain: Sequence[x509.Certificate], names: Sequence[str], domain: str, resolver: str | None, *, sts: bool
) -> Pins:
    """Ask the DNS, and the domain's web server, what pins a server's certificate.

    A TLSA record counts wherever it matches: at the MX hosts of the domain, at the names that users type, and at those
    in the certificate. That DNSSEC vouches for it, as RFC 7672 demands of senders, is not asked: what others may go by
    is kept.

    Args:
        chain: the certificate, then its intermediates.
        names: the server's names by the inventory.
        domain: the mail domain.
        resolver: address of the DNS server to ask; None: the system's.
        sts: whether MTA-STS is asked, too.
    Source: RFC 6698, 2.1 (TLSA); RFC 7672, 2.2.2 and 3.1 (where senders look, and what they heed); RFC 8461 (MTA-STS).
    """
    found, reason = exchangers(domain, resolver)
    if reason:  # who does not answer once is not waited for again
        return Pins((), (message("the MX of {domain}: {reason}", domain=domain, reason=reason),))
    mx = sorted(found or ())
    own = [name for name in dns_id.of(chain[0]) if not name.startswith("*.")]
    reasons, unanswered = [], []
    for name in dict.fromkeys((*mx, *names, *own)):
        owner = f"_25._tcp.{name}"
        tlsa, _, reason = standing_at(owner, resolver)
        if reason:
            unanswered.append(message("TLSA at {owner}: {reason}", owner=owner, reason=reason))
            break
        if any(is_match(record, chain) for record in tlsa):
            reasons.append(message("TLSA pins it ({owner})", owner=owner))
    if sts and not unanswered:
        try:
            policy = mta_sts.fetch(domain, resolver)
        except mta_sts.Unanswered as error:
            unanswered.append(message("MTA-STS of {domain}: {reason}", domain=domain, reason=error.why))
        else:
            held = [name for name in mx if policy and policy.covers(name) and dns_id.covers(chain[0], name)]
            if policy and held:
                reasons.append(
                    message(
                        "MTA-STS of {domain} demands a public one of {names} ({mode})",
                        domain=domain,
                        names=", ".join(held),
                        mode=policy.mode,
                    )
                )
    return Pins(tuple(reasons), tuple(unanswered))
