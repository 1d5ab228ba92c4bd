"""The claim about TLSA records: what senders that heed DANE compare the certificate of port 25 with."""

from collections.abc import Callable, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.names import exchangers, look_up, malformed, records
from runbook_lib.mail.probes.row import Row, Verdict, warning
from runbook_lib.mail.probes.survey import Survey, blocked
from runbook_lib.mail.probes.tls import Tls
from runbook_lib.messages import message
from runbook_lib.x509 import keys

TLSA_MATCHES = message("Each TLSA record matches what port 25 shows")

_PORT = 25
_MATCHING: dict[int, Callable[[bytes], bytes]] = {
    0: lambda content: content,
    1: lambda content: _digest(hashes.SHA256(), content),
    2: lambda content: _digest(hashes.SHA512(), content),
}
_OF_THE_SERVER, _OF_AN_AUTHORITY = 3, 2  # usages that mail servers heed (RFC 7672, 3.1)


def tlsa_matches(survey: Survey) -> list[Row]:
    """A row a record, at each name by which other servers come here: the domain's MX names, and the server's own.

    Senders that heed DANE refuse a server at whose name no record matches. A record that matches nothing beside one
    that does is left over, or made for the next certificate: a warning. That DNSSEC vouches for the records is not
    asked; without it nobody heeds them.

    Source: RFC 6698, 2.1; RFC 7672, 2.2.2 (whose names), 3.1 (usages 3 and 2 alone).
    """
    if _PORT not in survey.target.ports or survey.target.is_address:
        return []
    if not survey.addresses:
        return survey.unasked(TLSA_MATCHES, (_PORT,))
    sights = survey.sights((_PORT,))
    shown = next((sight.tls for sight in sights if sight.tls), None)
    rows = []
    names, reason = _names(survey)
    if reason is not None:
        command = byhand.dig(survey.target.domain, "MX", survey.target.resolver)
        judged = (
            Verdict.UNTESTED,
            message("the MX of {domain}: {reason}", domain=survey.target.domain, reason=reason),
        )
        rows.append(survey.general(TLSA_MATCHES, judged, command))
    for name in names:
        owner = f"_{_PORT}._tcp.{name}"
        command = byhand.dig(owner, "TLSA", survey.target.resolver)
        found, garbled, reason = standing_at(owner, survey.target.resolver)
        if garbled:
            words = message(
                "{name}: {number} malformed: heeded by nobody, take it out", name=owner, number=garbled
            )
            rows.append(survey.general(TLSA_MATCHES, (Verdict.PASS, warning(words)), command))
        if reason is not None:
            words = message("{name}: {reason}", name=owner, reason=reason)
            rows.append(survey.general(TLSA_MATCHES, (Verdict.UNTESTED, words), command))
        elif not found and garbled:
            continue
        elif not found:
            words = message("{name}: no record", name=owner)
            rows.append(survey.general(TLSA_MATCHES, (Verdict.PASS, words), command))
        elif shown is None:
            verdict, reason = blocked(sights[0].obstacle)
            words = message("{name}: {reason}", name=owner, reason=reason)
            rows.append(survey.general(TLSA_MATCHES, (verdict, words), command))
        else:
            rows += [survey.general(TLSA_MATCHES, judged, command) for judged in judge(owner, found, shown)]
    return rows


def standing_at(owner: str, resolver: str | None) -> tuple[tuple[Any, ...], int, str | None]:
    """The TLSA records at a name, how many more are malformed, and a reason where the DNS did not answer.

    Args:
        owner: name with port and protocol in front ('_25._tcp.mail.example.jp').
        resolver: address of the DNS server to ask; None: the system's.
    """
    found, garbled = malformed(owner, "TLSA", resolver)
    if garbled:
        return found, garbled, None
    found, reason = records(owner, "TLSA", resolver)
    return found, 0, reason


def judge(owner: str, found: Sequence[Any], shown: Tls) -> list[tuple[Verdict, str]]:
    """A verdict for each TLSA record of one name.

    Args:
        owner: where they stand.
        found: records as dnspython has them.
        shown: what port 25 shows.
    """
    usable = [record for record in found if _is_for_mail(record) and _is_known(record)]
    matching = [record for record in usable if is_match(record, shown.sent)]
    judged: list[tuple[Verdict, str]] = []
    for record in sorted(
        found, key=lambda record: (record.usage, record.selector, record.mtype, record.cert)
    ):
        what = f"{owner}: TLSA {record.usage} {record.selector} {record.mtype} {record.cert.hex()[:8]}…"
        if not _is_for_mail(record):
            words = message(
                "{record} is heeded by no mail server: usage {usage} is not for mail",
                record=what,
                usage=record.usage,
            )
            judged.append((Verdict.PASS, warning(words)))
        elif not _is_known(record):
            words = message("{record} is heeded by nobody: no such selector or matching type", record=what)
            judged.append((Verdict.PASS, warning(words)))
        elif record in matching:
            judged.append((Verdict.PASS, message("{record} matches", record=what)))
        elif matching:
            words = message(
                "{record} matches nothing that port 25 shows: left over, or for the next certificate",
                record=what,
            )
            judged.append((Verdict.PASS, warning(words)))
        else:
            words = message(
                "{record} matches nothing that port 25 shows: servers that heed DANE send no mail here",
                record=what,
            )
            judged.append((Verdict.FAIL, words))
    return judged


def _is_for_mail(record: Any) -> bool:
    """Whether mail servers go by records of this usage."""
    return record.usage in (_OF_THE_SERVER, _OF_AN_AUTHORITY)


def _is_known(record: Any) -> bool:
    """Whether there is such a selector, and such a matching type."""
    return record.selector in (0, 1) and record.mtype in _MATCHING


def is_match(record: Any, chain: Sequence[x509.Certificate]) -> bool:
    """Whether a TLSA record matches: usages 1 and 3 the server's certificate, 0 and 2 any of the chain."""
    if record.mtype not in _MATCHING or record.selector not in (0, 1) or record.usage > _OF_THE_SERVER:
        return False
    candidates = chain[:1] if record.usage in (1, 3) else chain
    return any(_MATCHING[record.mtype](_selected(one, record.selector)) == record.cert for one in candidates)


def _names(survey: Survey) -> tuple[tuple[str, ...], str | None]:
    """Names that TLSA records of this server stand at, and why the DNS did not say which the MX names are."""
    target = survey.target
    found, reason = exchangers(target.domain, target.resolver)
    here = set(survey.addresses)
    leading_here = [
        name
        for name in found or ()
        if {address for lookup in look_up(name, target.resolver) for address in lookup.addresses} & here
    ]
    of_port = (other.name for other in target.apart if _PORT in other.ports)
    return tuple(dict.fromkeys((*leading_here, *of_port, target.name))), reason


def _selected(certificate: x509.Certificate, selector: int) -> bytes:
    if selector == 0:
        return certificate.public_bytes(Encoding.DER)
    return keys.spki(certificate.public_key())


def _digest(algorithm: hashes.HashAlgorithm, content: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(content)
    return digest.finalize()
