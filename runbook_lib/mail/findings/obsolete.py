"""Parameters that Postfix keeps for old files: since when, and what took their place."""

from collections.abc import Iterator
from dataclasses import dataclass

from runbook_lib.inventory.place import Place
from runbook_lib.mail.findings.finding import Finding, Look
from runbook_lib.messages import joined, message


@dataclass(frozen=True)
class Obsolete:
    """A parameter that another one replaced.

    Args:
        since: the first version with what took its place.
        instead: what that is.
        warns: the first version that warns of it; () where none does.
    """

    since: str
    instead: str
    warns: tuple[int, int] | tuple[()] = ()


_WARNS = (3, 9)
_LEVEL = message("smtpd_tls_security_level: may offers TLS, encrypt demands it")
_CLIENT_LEVEL = "smtp_tls_security_level: may, encrypt, dane"
_GRADES = message("smtpd_tls_mandatory_ciphers and smtpd_tls_ciphers, each a grade")
_CLIENT_GRADES = message("smtp_tls_mandatory_ciphers and smtp_tls_ciphers, each a grade")
# Source: postconf(5), each parameter's own section; RELEASE_NOTES-3.9, 'deprecated'; DEPRECATION_README.
TABLE = {
    "smtpd_use_tls": Obsolete("2.3", _LEVEL, _WARNS),
    "smtpd_enforce_tls": Obsolete("2.3", _LEVEL, _WARNS),
    "smtp_use_tls": Obsolete("2.3", _CLIENT_LEVEL, _WARNS),
    "smtp_enforce_tls": Obsolete("2.3", _CLIENT_LEVEL, _WARNS),
    "lmtp_use_tls": Obsolete("2.3", "lmtp_tls_security_level", _WARNS),
    "lmtp_enforce_tls": Obsolete("2.3", "lmtp_tls_security_level", _WARNS),
    "smtp_tls_per_site": Obsolete("2.3", "smtp_tls_policy_maps", _WARNS),
    "smtp_tls_enforce_peername": Obsolete(
        "2.3", message("smtp_tls_security_level = verify, or smtp_tls_policy_maps")
    ),
    "smtpd_tls_cipherlist": Obsolete("2.3", _GRADES, _WARNS),
    "smtp_tls_cipherlist": Obsolete("2.3", _CLIENT_GRADES, _WARNS),
    "smtpd_tls_dh1024_param_file": Obsolete(
        "3.8", message("tls_ffdhe_auto_groups, chosen by OpenSSL; no file"), _WARNS
    ),
    "smtpd_tls_dh512_param_file": Obsolete("2.6", message("nothing: only export ciphers used it"), ()),
    "smtpd_tls_eecdh_grade": Obsolete(
        "3.2", message("tls_eecdh_auto_curves, agreed on with each client"), _WARNS
    ),
    "smtpd_tls_session_cache_database": Obsolete(
        "2.11", message("session tickets (RFC 5077), which need no file")
    ),
    "smtpd_sasl_application_name": Obsolete("2.3", "smtpd_sasl_path"),
    "disable_dns_lookups": Obsolete("2.11", "smtp_dns_support_level", _WARNS),
    "virtual_maps": Obsolete("2.0", message("virtual_alias_maps and virtual_alias_domains")),
    "permit_mx_backup_networks": Obsolete("3.9", message("relay_domains with relay_recipient_maps"), _WARNS),
    "postscreen_blacklist_action": Obsolete("3.6", "postscreen_denylist_action"),
    "postscreen_dnsbl_whitelist_threshold": Obsolete("3.6", "postscreen_dnsbl_allowlist_threshold"),
    "postscreen_whitelist_interfaces": Obsolete("3.6", "postscreen_allowlist_interfaces"),
}


def find(look: Look) -> Iterator[Finding]:
    """Entries that another parameter replaced in this version or before."""
    for entry in look.state.main:
        old = TABLE.get(entry.name)
        if old is None or tuple(map(int, old.since.split("."))) > look.version:
            continue
        meaning = message(
            "obsolete since Postfix {version}; in its place: {instead}",
            version=old.since,
            instead=old.instead,
        )
        if old.warns and look.version >= old.warns:
            meaning = joined("; ", (meaning, message("this Postfix warns of it at each command")))
        yield Finding(Place.main(entry.name, entry.number), entry.text, meaning)
