"""Lists of TLS versions and ciphers that shut out more than was meant, or everything."""

import re
from collections.abc import Iterator

from runbook_lib.inventory.place import Place
from runbook_lib.mail.findings.finding import Finding, Look
from runbook_lib.mail.target.decisions import protocols, shut_out
from runbook_lib.messages import message

_PROTOCOLS = re.compile(r"^(smtpd|smtp|lmtp|tlsproxy)_tls_(mandatory_)?protocols$")
_EXCLUDED = ("smtpd_tls_exclude_ciphers", "smtpd_tls_mandatory_exclude_ciphers")
# Words of OpenSSL that stand for every cipher of TLS 1.2 that a certificate of a type can be used with (ciphers(1)).
_NEEDED = {"p256": {"ECDSA", "AECDSA", "ECDHE", "KECDHE", "EECDH", "KEECDH"}, "rsa": {"ARSA", "RSA"}}
_KIND = {"p256": message("an elliptic-curve key"), "rsa": message("an RSA key")}


def find(look: Look) -> Iterator[Finding]:
    """Version lists that this Postfix cannot read or that let old versions in; exclusions that hit the certificate."""
    for entry in look.state.main:
        place = Place.main(entry.name, entry.number)
        if _PROTOCOLS.match(entry.name) and "$" not in entry.value:
            for meaning, hand in _of_list(entry.name, protocols(entry.value, look.version)):
                yield Finding(place, entry.text, meaning, hand)
        if entry.name in _EXCLUDED:
            kind = look.state.host.certificate.key_type
            hit = [word for word in re.split(r"[\s,:]+", entry.value) if word.upper() in _NEEDED[kind]]
            if hit:
                meaning = message(
                    "{words} takes away every cipher of TLS 1.2 for a certificate with {key}, as this host gets one: "
                    "who does not speak TLS 1.3 finds no shared cipher",
                    words=", ".join(hit),
                    key=_KIND[kind],
                )
                yield Finding(place, entry.text, meaning)


def _of_list(name: str, left: frozenset[str] | None) -> Iterator[tuple[str, str]]:
    """What a list of versions means, and what to write; nothing where it leaves those of today."""
    if left is None:
        meaning = message(
            "this Postfix cannot read the list and turns TLS off for what it governs; nothing says so"
        )
        yield meaning, message("write {value}", value="!SSLv2, !SSLv3, !TLSv1, !TLSv1.1")
        return
    if not left & {"TLSv1.2", "TLSv1.3"}:
        yield (
            message("it leaves neither TLS 1.2 nor 1.3, and hardly anybody speaks anything else any more"),
            "",
        )
        return
    old = sorted(left & {"SSLv3", "TLSv1", "TLSv1.1"})
    if old and name.startswith("smtpd_"):
        meaning = message(
            "it lets in {versions} on {connections}, as far as OpenSSL has them (retired by RFC 8996)",
            versions=", ".join(old),
            connections=_where(name),
        )
        yield meaning, ""
    if out := shut_out(left):
        yield message("it shuts out {versions} on {connections}", versions=out, connections=_where(name)), ""


def _where(name: str) -> str:
    if not name.startswith("smtpd_"):
        kind = {"smtp": "SMTP", "lmtp": "LMTP", "tlsproxy": "tlsproxy's"}[name.partition("_")[0]]
        return message("{kind} connections", kind=kind)
    return message("ports that demand TLS") if "mandatory" in name else message("port 25")
