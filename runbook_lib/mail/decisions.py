"""What a person may decide about an entry of main.cf that chapter 2 writes, or that changes what it writes.

Each answer is offered only where the chapter can go on with it: what is kept must leave a result that the verification
still proves, and what is replaced gets a value, or is taken away.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from runbook_lib import inventory
from runbook_lib.mail import wanted

LOOPBACK = "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128"
BARE_NEWLINE = "smtpd_forbid_bare_newline"
# What tells how far a Postfix is guarded against SMTP smuggling: the guard, and what came with its better form.
GUARDS = (BARE_NEWLINE, "smtpd_forbid_bare_newline_reject_code")
_GUARDED = {
    (3, 5): ("3.5.23", "3.5.24"),
    (3, 6): ("3.6.13", "3.6.14"),
    (3, 7): ("3.7.9", "3.7.10"),
    (3, 8): ("3.8.4", "3.8.5"),
}
CERTIFICATE = (
    "smtpd_tls_chain_files",
    "smtpd_tls_cert_file",
    "smtpd_tls_key_file",
    "smtpd_tls_eccert_file",
    "smtpd_tls_eckey_file",
    "smtpd_tls_dcert_file",
    "smtpd_tls_dkey_file",
)
EXCLUDED = "smtpd_tls_exclude_ciphers"
_GRADES = ("export", "low", "medium", "high", "null")
_VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_GONE = "it is taken out of main.cf, and Postfix's own default counts"
# Entries that are taken away where the inventory says 'replace'; what counts then.
_TAKEN_AWAY: Mapping[str, str] = {
    "smtpd_use_tls": "it is taken out of main.cf; smtpd_tls_security_level says it",
    "smtpd_enforce_tls": "it is taken out of main.cf; smtpd_tls_security_level says it",
    "smtpd_tls_dh1024_param_file": "it is taken out of main.cf; Postfix and OpenSSL choose the group",
    "smtpd_tls_dh512_param_file": "it is taken out of main.cf; nothing uses such keys any more",
    "smtpd_tls_eecdh_grade": "it is taken out of main.cf; Postfix and OpenSSL choose the curve",
    "smtpd_tls_session_cache_database": "it is taken out of main.cf; session tickets do the same without a file",
    "smtpd_tls_protocols": _GONE,
    "smtpd_tls_ciphers": _GONE,
    EXCLUDED: _GONE,
    "smtpd_tls_CAfile": _GONE,
    "smtpd_tls_req_ccert": _GONE,
    "smtpd_tls_wrappermode": "it is taken out of main.cf; the service on 465 alone has it",
    "smtpd_tls_eccert_file": "it is taken out of main.cf; the certificate that was signed is the only one",
    "smtpd_tls_eckey_file": "it is taken out of main.cf; the certificate that was signed is the only one",
    "smtpd_tls_dcert_file": "it is taken out of main.cf; the certificate that was signed is the only one",
    "smtpd_tls_dkey_file": "it is taken out of main.cf; the certificate that was signed is the only one",
    "tls_high_cipherlist": _GONE,
    "tls_medium_cipherlist": _GONE,
    "tls_ssl_options": _GONE,
}
# Entries that get another value.
_OTHER: Mapping[str, tuple[str, str]] = {
    "mynetworks": (LOOPBACK, "only this host itself sends without a login"),
    "inet_interfaces": ("all", "Postfix takes connections on every address, after a restart"),
}
_ON_25 = "it stays for port 25; 465 and 587 do not go by it"


@dataclass(frozen=True)
class Choices:
    """What may be decided about a place; a sentence says what would then be so, "" that it cannot be decided so."""

    keep: str = ""
    replace: str = ""

    def allow(self, decision: inventory.Decision) -> bool:
        """Whether a decision is one of them."""
        return bool(self.keep if decision.decide == "keep" else self.replace)


NO_CHOICE = Choices()


def of_setting(name: str, value: str, version: tuple[int, int], *, written: bool) -> Choices:
    """What may be decided about an entry of main.cf.

    Args:
        name, value: as main.cf has it.
        version: (major, minor) of Postfix.
        written: whether chapter 2 has a value of its own for it.
    """
    replace = _TAKEN_AWAY.get(name, "") or _OTHER.get(name, ("", ""))[1]
    if name == BARE_NEWLINE:
        replace = "a newline alone no longer ends a message (CVE-2023-51764)"
    if written:
        replace = "chapter 2's value takes its place"
    return Choices(_keep(name, value, version), replace)


def replacement(name: str, knows: Collection[str]) -> str | None:
    """The value that an entry gets which the chapter does not write by itself; None: it is taken out of main.cf.

    Args:
        knows: of GUARDS, those that this Postfix knows.
    """
    if name == BARE_NEWLINE:
        return "normalize" if normalizes(knows) else "yes"
    return _OTHER[name][0] if name in _OTHER else None


def normalizes(knows: Collection[str]) -> bool:
    """Whether this Postfix can take bare newlines and end a message at a proper one alone.

    The value `normalize` came in the same patches as the code that answers a rejected line; before them the guard is
    yes or no, and another value stops smtpd. `postconf` is asked, not the version: distributions port this back.
    Source: postconf(5), smtpd_forbid_bare_newline and smtpd_forbid_bare_newline_reject_code.
    """
    return GUARDS[1] in knows


def guarded_from(version: tuple[int, int]) -> str:
    """The first patch level of a version with the guard, and that with its better form, for a person who updates.

    Source: postconf(5) of 3.7.11, smtpd_forbid_bare_newline: 'with settings yes and no available in Postfix 3.8.4,
    3.7.9, 3.6.13, and 3.5.23', 'reject, and normalize with Postfix >= 3.9, 3.8.5, 3.7.10, 3.6.14, and 3.5.24';
    RELEASE_NOTES of the same versions.
    """
    if version not in _GUARDED:
        return "Postfix has it from 3.5.23 on"
    first, better = _GUARDED[version]
    return f"Postfix {version[0]}.{version[1]} has it from {first} on, without cutting off anybody from {better} on"


def can_be_replaced(name: str, knows: Collection[str]) -> bool:
    """Whether there is something to put in the place of an entry that the chapter does not write by itself."""
    return name in _TAKEN_AWAY or name in _OTHER or (name == BARE_NEWLINE and name in knows)


def protocols(value: str, version: tuple[int, int]) -> frozenset[str] | None:
    """The versions that a list of protocols leaves; None where this Postfix turns TLS off because it cannot read it.

    Source: postconf(5), smtpd_tls_protocols and smtpd_tls_mandatory_protocols; `>=` and `<=` since 3.6.
    """
    left, only = set(_VERSIONS), set[str]()
    for word in re.split(r"[\s,:]+", value.strip()):
        name = word.lstrip("!<>=")
        known = next((one for one in _VERSIONS if one.lower() == name.lower()), None)
        sign = word[: len(word) - len(name)]
        if not word:
            continue
        if known is None or (sign not in ("", "!") and version < (3, 6)):
            return None
        at = _VERSIONS.index(known)
        if sign == "!":
            left.discard(known)
        elif sign == ">=":
            left &= set(_VERSIONS[at:])
        elif sign == "<=":
            left &= set(_VERSIONS[: at + 1])
        elif sign == "":
            only.add(known)
        else:
            return None
    return frozenset(left & only if only else left)


def _keep(name: str, value: str, version: tuple[int, int]) -> str:
    if name in ("smtpd_use_tls", "smtpd_enforce_tls"):
        return "it stays without effect: smtpd_tls_security_level overrides it"
    if name in CERTIFICATE:
        return (
            "port 25 goes on showing this certificate; 465 and 587 get their own where users do not trust it"
        )
    if name == "smtpd_tls_protocols":
        return _ON_25 if protocols(value, version) else ""
    if name == "smtpd_tls_mandatory_protocols":
        left = protocols(value, version)
        return "it stays: nothing below TLS 1.2 is in it" if left and left <= set(_VERSIONS[4:]) else ""
    if name == "smtpd_tls_ciphers":
        return _ON_25 if value in _GRADES else ""
    if name == EXCLUDED:
        return "it stays for port 25; 465 and 587 get an empty one"
    if name == "smtpd_tls_mandatory_exclude_ciphers":
        words = {word.lower() for word in re.split(r"[\s,]+", value)}
        enough = {word.lower() for word in wanted.CIPHERS["base"].split(", ")} <= words
        return "it stays: it excludes what chapter 2 excludes, and more" if enough else ""
    return {
        "smtpd_tls_loglevel": "it stays",
        "smtpd_tls_session_cache_database": "it stays",
        "smtpd_tls_dh1024_param_file": "it stays",
        "smtpd_tls_CAfile": "it stays; its certificates are sent along",
        "tls_ssl_options": "it stays, for 465 and 587 too",
        "mynetworks": "its clients go on sending without a login on port 25; 465 and 587 ask them for one",
        BARE_NEWLINE: "it stays",
    }.get(name, "")
