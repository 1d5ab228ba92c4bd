"""What settings of SASL leave of PLAIN and LOGIN, by which mail programs log in on 465 and 587.

Both send the password as it is, under TLS. An option that forbids this leaves smtpd without a mechanism where nothing
else is there, and then it does not start: the port takes a connection and closes it again.
"""

import re
from collections.abc import Collection, Mapping

from runbook_lib.mail.target.decisions import both
from runbook_lib.messages import message

OPTIONS, TLS_OPTIONS, FILTER = (
    "smtpd_sasl_security_options",
    "smtpd_sasl_tls_security_options",
    "smtpd_sasl_mechanism_filter",
)
SETTINGS = (OPTIONS, TLS_OPTIONS, FILTER)
_NAMED = re.compile(rf"[$](?:{OPTIONS}\b|[{{]{OPTIONS}[}}]|[(]{OPTIONS}[)])")
_KNOWN = {
    "noplaintext",
    "noactive",
    "nodictionary",
    "noanonymous",
    "forward_secrecy",
    "mutual_auth",
}
# PLAIN and LOGIN have no other property (plain.c and login.c of Cyrus SASL; mech-plain.c of Dovecot).
_LEAVE = {
    "cyrus": {"noanonymous"},
    "dovecot": {"noanonymous", "noactive", "nodictionary"},
}


def lacks(settings: Mapping[str, str], needed: Collection[str] = ("PLAIN",)) -> dict[str, str]:
    """Why users cannot log in, or anybody can without a password, by the setting that does it; {} where all is well.

    Args:
        settings: of a service, or of main.cf: `SETTINGS` and smtpd_sasl_type, those that are set.
        needed: the mechanisms that a filter may not leave out.

    Under TLS `smtpd_sasl_tls_security_options` counts, which is the other one where it is not set.

    Source: postconf(5); SASL_README, 'Postfix SMTP Server policy - SASL mechanism properties'; what a Postfix 3.7 with
    Cyrus SASL did with each word.
    """
    leave = _LEAVE.get(settings.get("smtpd_sasl_type", "cyrus"), _KNOWN)
    found: dict[str, str] = {}
    for name in (OPTIONS, TLS_OPTIONS):
        if name not in settings:
            continue
        text = _NAMED.sub(settings.get(OPTIONS, "noanonymous"), settings[name])
        words = {word for word in re.split(r"[\s,]+", text) if word}
        counts = name == TLS_OPTIONS or TLS_OPTIONS not in settings
        if counts and (unknown := sorted(words - _KNOWN)):
            found[name] = message(
                "smtpd does not know {words}, and ends where it should take a login", words=", ".join(unknown)
            )
        elif counts and (shut := sorted(words - leave)):
            found[name] = message(
                "{words} leaves no mechanism to log in by on 465 and 587: PLAIN and LOGIN send the password as it is, "
                "under TLS",
                words=", ".join(shut),
            )
        elif "noanonymous" not in words:
            found[name] = message("without noanonymous it may let in who has no password")
    out = [mechanism for mechanism in needed if _is_left_out(mechanism, settings.get(FILTER, ""))]
    if out:
        found[FILTER] = message(
            "it leaves out {mechanisms}, by which users log in on 465 and 587", mechanisms=both(out)
        )
    return found


def _is_left_out(mechanism: str, value: str) -> bool:
    """Whether a list leaves out a mechanism: the first word that fits counts; a file or table in it says nothing."""
    words = [word for word in re.split(r"[\s,]+", value) if word]
    for word in words:
        name = word.lstrip("!").lower()
        if name == mechanism.lower() or name.startswith("static:"):
            return word.startswith("!")
        if "/" in name or ":" in name:
            return False
    return bool(words)
