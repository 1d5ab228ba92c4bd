"""What is a secret by its form or its name, whatever its origin. One that has neither is known by its value alone."""

import re

_ARMOUR = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
_HASH = r"\$(?:1|2[abxy]?|5|6|7|y|gy|sm3|sha1|md5)\$"  # crypt(5)
# In a text: at least 20 more characters of its alphabet, so that shell text like $1$2 is none.
_CRYPT_HASH = re.compile(_HASH + r"[./A-Za-z0-9$,=+-]{20,}")
_BEGINS_AS_A_HASH = re.compile(_HASH)
_NAME = re.compile(
    r"passw|passphrase|secret|token|credential|api_?key|private_?key|"
    r"(^|_)(pass|pw|pwd|pin|(ca|tls|ssh)_?key)s?(_|$)",
    re.IGNORECASE,
)


def kind_in(text: str) -> str | None:
    """Which kind of secret stands in a text; None: none that has a form."""
    if _ARMOUR.search(text):
        return "a private key"
    if _CRYPT_HASH.search(text):
        return "a password's hash"
    return None


def of_parameter(name: str, value: object) -> str | None:
    """Why a parameter must be taken for a secret, for a sentence that begins with the parameter; None: it need not.

    More is taken for one than in a text: parameters are few, and each is written where everybody reads it.
    """
    if isinstance(value, str):
        if kind := kind_in(value):
            return f"holds {kind}"
        if _BEGINS_AS_A_HASH.match(value):
            return "begins as a password's hash does"
    return "is named like a secret" if _NAME.search(name) else None
