"""Lists of TLS versions and ciphers that shut out more than was meant, or everything."""

import re
from collections.abc import Iterator

from runbook_lib.mail.decisions import protocols
from runbook_lib.mail.findings.finding import Finding, Look

_PROTOCOLS = re.compile(r"^(smtpd|smtp|lmtp|tlsproxy)_tls_(mandatory_)?protocols$")
_EXCLUDED = ("smtpd_tls_exclude_ciphers", "smtpd_tls_mandatory_exclude_ciphers")
# Words of OpenSSL that stand for every cipher of TLS 1.2 that a certificate of a type can be used with (ciphers(1)).
_NEEDED = {"p256": {"ECDSA", "AECDSA", "ECDHE", "KECDHE", "EECDH", "KEECDH"}, "rsa": {"ARSA", "RSA"}}
_KIND = {"p256": "an elliptic-curve key", "rsa": "an RSA key"}


def find(look: Look) -> Iterator[Finding]:
    """Version lists that this Postfix cannot read or that let old versions in; exclusions that hit the certificate."""
    for entry in look.state.main:
        place = f"main.cf, {entry.name}"
        if _PROTOCOLS.match(entry.name) and "$" not in entry.value:
            left = protocols(entry.value, look.version)
            if left is None:
                meaning = (
                    "this Postfix cannot read the list and turns TLS off for what it governs; nothing says so"
                )
                yield Finding(
                    place, entry.number, entry.text, meaning, "write !SSLv2, !SSLv3, !TLSv1, !TLSv1.1"
                )
            elif not left & {"TLSv1.2", "TLSv1.3"}:
                meaning = (
                    "it leaves neither TLS 1.2 nor 1.3, and hardly anybody speaks anything else any more"
                )
                yield Finding(place, entry.number, entry.text, meaning)
            elif left & {"SSLv2", "SSLv3", "TLSv1", "TLSv1.1"} and entry.name.startswith("smtpd_"):
                old = ", ".join(sorted(left & {"SSLv3", "TLSv1", "TLSv1.1"}))
                where = "ports that demand TLS" if "mandatory" in entry.name else "port 25"
                meaning = f"it lets in {old} on {where}, as far as OpenSSL has them (retired by RFC 8996)"
                yield Finding(place, entry.number, entry.text, meaning)
        if entry.name in _EXCLUDED:
            kind = look.host.certificate.key_type
            hit = [word for word in re.split(r"[\s,:]+", entry.value) if word.upper() in _NEEDED[kind]]
            if hit:
                meaning = (
                    f"{', '.join(hit)} takes away every cipher of TLS 1.2 for a certificate with {_KIND[kind]}, as "
                    "this host gets one: who does not speak TLS 1.3 finds no shared cipher"
                )
                yield Finding(place, entry.number, entry.text, meaning)
