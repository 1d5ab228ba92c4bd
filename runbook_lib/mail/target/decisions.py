"""What a person may decide about an entry of main.cf that chapter 2 writes, or that changes what it writes.

Each answer is offered only where the chapter can go on with it: what is kept must leave a result that the verification
still proves, and what is replaced gets a value, or is taken away.
"""

import functools
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from runbook_lib import inventory
from runbook_lib.mail.certificates.configured import ENTRIES
from runbook_lib.mail.configuration.bare_newlines import BARE_NEWLINE, normalizes
from runbook_lib.mail.target import wanted
from runbook_lib.messages import joined, message

LOOPBACK = "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128"
EXCLUDED = "smtpd_tls_exclude_ciphers"
_GRADES = ("export", "low", "medium", "high", "null")
_VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_GONE = message("it is taken out of main.cf, and Postfix's own default counts")
# Entries that are taken away where the inventory says 'replace'; what counts then.
_TAKEN_AWAY: Mapping[str, str] = {
    **dict.fromkeys(
        ("smtpd_use_tls", "smtpd_enforce_tls"),
        message("it is taken out of main.cf; smtpd_tls_security_level says it"),
    ),
    "smtpd_tls_dh1024_param_file": message(
        "it is taken out of main.cf; Postfix and OpenSSL choose the group"
    ),
    "smtpd_tls_dh512_param_file": message("it is taken out of main.cf; nothing uses such keys any more"),
    "smtpd_tls_eecdh_grade": message("it is taken out of main.cf; Postfix and OpenSSL choose the curve"),
    "smtpd_tls_session_cache_database": message(
        "it is taken out of main.cf; session tickets do the same without a file"
    ),
    "smtpd_tls_protocols": _GONE,
    "smtpd_tls_ciphers": _GONE,
    EXCLUDED: _GONE,
    "smtpd_tls_CAfile": _GONE,
    "smtpd_tls_req_ccert": _GONE,
    "smtpd_tls_wrappermode": message("it is taken out of main.cf; the service on 465 alone has it"),
    **dict.fromkeys(
        ENTRIES[3:], message("it is taken out of main.cf; the certificate that was signed is the only one")
    ),
    **{f"tls_{grade}_cipherlist": _GONE for grade in _GRADES},
    "tls_ssl_options": _GONE,
}
# Entries that get another value.
_OTHER: Mapping[str, tuple[str, str]] = {
    "mynetworks": (LOOPBACK, message("only this host itself sends without a login")),
    "inet_interfaces": ("all", message("Postfix takes connections on every address, after a restart")),
}
_STAYS = message("it stays")
_ON_25 = message("it stays for port 25; 465 and 587 do not go by it")


@dataclass(frozen=True)
class Ruling:
    """A rule's answer for one entry.

    Args:
        kept: True: it stays, and the rule knows what that means for 465 and 587; False: a person decides.
        why: what it means, for the person.
    """

    kept: bool
    why: str


@dataclass(frozen=True)
class Choices:
    """What may be decided about a place; a sentence says what would then be so, "" that it cannot be decided so.

    Args:
        not_kept: why it cannot be kept, where that rests on something else than the place alone; "".
    """

    keep: str = ""
    replace: str = ""
    not_kept: str = ""

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
        replace = message("a newline alone no longer ends a message (CVE-2023-51764)")
    if written:
        replace = message("chapter 2's value takes its place")
    return Choices(_keep(name, value, version), replace)


def replacement(name: str, knows: Collection[str]) -> str | None:
    """The value that an entry gets which the chapter does not write by itself; None: it is taken out of main.cf.

    Args:
        knows: of `bare_newlines.GUARDS`, those that this Postfix knows.
    """
    if name == BARE_NEWLINE:
        return "normalize" if normalizes(knows) else "yes"
    return _OTHER[name][0] if name in _OTHER else None


def empty_list(name: str, value: str) -> str:
    """What an empty list of ciphers means; "" where an entry is none.

    Postfix wants at least one character there, and no smtpd starts without (mail_params.h).
    """
    if value or not re.fullmatch(r"tls_(high|medium|low|export|null)_cipherlist", name):
        return ""
    return message("smtpd does not start with an empty list of ciphers, and no port takes a connection")


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


def keeps_floor(value: str, version: tuple[int, int]) -> bool:
    """Whether a list of protocols leaves something, and nothing below TLS 1.2."""
    left = protocols(value, version)
    return left is not None and frozenset() < left <= set(_VERSIONS[4:])


def shut_out(left: Collection[str]) -> str:
    """Of the versions of today, the one that a list does not leave: 'TLS 1.3'; '' where it leaves both."""
    return both(f"TLS {one[4:]}" for one in _VERSIONS[4:] if one not in left)


def both(parts: Iterable[str]) -> str:
    """'A', 'A and B', 'A and B and C'; '' for none."""
    first, *others = tuple(parts) or ("",)
    return functools.reduce(_and, others, first)


def _and(first: str, second: str) -> str:
    return message("{first} and {second}", first=first, second=second)


def _without(value: str, version: tuple[int, int]) -> str:
    """What a list that is kept shuts out; '' where that is nothing of today."""
    out = shut_out(protocols(value, version) or _VERSIONS)
    return message("{versions} is shut out", versions=out) if out else ""


def _keep(name: str, value: str, version: tuple[int, int]) -> str:
    if name in ("smtpd_use_tls", "smtpd_enforce_tls"):
        return message("it stays without effect: smtpd_tls_security_level overrides it")
    if name in ENTRIES:
        return message(
            "port 25 goes on showing this certificate; 465 and 587 get their own where users do not trust it"
        )
    if name == "smtpd_tls_protocols":
        return (
            joined("; ", filter(None, (_ON_25, _without(value, version))))
            if protocols(value, version)
            else ""
        )
    if name == "smtpd_tls_mandatory_protocols":
        if not keeps_floor(value, version):
            return ""
        stays = message("it stays: nothing below TLS 1.2 is in it")
        return joined("; ", filter(None, (stays, _without(value, version))))
    if name == "smtpd_tls_ciphers":
        return _ON_25 if value in _GRADES else ""
    if name == EXCLUDED:
        return message("it stays for port 25; chapter 2's lines for 465 and 587 get an empty one")
    if name == "smtpd_tls_mandatory_exclude_ciphers":
        words = {word.lower() for word in re.split(r"[\s,]+", value)}
        enough = {word.lower() for word in wanted.CIPHERS["base"].split(", ")} <= words
        return message("it stays: it excludes what chapter 2 excludes, and more") if enough else ""
    return {
        "smtpd_tls_loglevel": _STAYS,
        "smtpd_tls_session_cache_database": _STAYS,
        "smtpd_tls_dh1024_param_file": _STAYS,
        "smtpd_tls_CAfile": message("it stays; its certificates are sent along"),
        "tls_ssl_options": message("it stays, for 465 and 587 too"),
        "mynetworks": message(
            "its clients go on sending without a login on port 25; 465 and 587 ask them for one"
        ),
        BARE_NEWLINE: _STAYS,
    }.get(name, "")
