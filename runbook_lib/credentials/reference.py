"""What a reference to a secret looks like, and what is said about one that is none."""

import re
import shlex
from typing import Annotated

from pydantic import AfterValidator, Field

SCHEMES = ("env", "file", "keyring", "cmd")

_EXPECTED = "a reference: env:NAME, file:PATH, keyring:SERVICE/USER or cmd:COMMAND"
# Schemes of other tools. Another word before a colon is not repeated: it may be the first half of a password.
_FOREIGN = {
    "command",
    "pass",
    "gopass",
    "sops",
    "age",
    "vault",
    "op",
    "secret",
    "environment",
    "path",
    "http",
    "https",
}
_PATTERNS = {
    "env": (r"[A-Za-z_][A-Za-z0-9_]*", "env:NAME with letters, digits and '_' in NAME"),
    "file": (r".*[^/]", "file:PATH of a file, not of a folder"),
    "keyring": (r"[^/]+/.+", "keyring:SERVICE/USER"),
    "cmd": (r".*\S.*", "cmd:COMMAND with its arguments"),
}


def _check_reference(reference: str) -> str:
    scheme, colon, rest = reference.partition(":")
    if not colon or scheme not in SCHEMES:
        if scheme.lower() in SCHEMES or scheme.lower() in _FOREIGN:
            raise ValueError(f"the scheme '{scheme}:' is not known; expected {_EXPECTED}")
        raise ValueError(
            f"is not a reference (a secret never stands in an inventory itself); expected {_EXPECTED}"
        )
    pattern, form = _PATTERNS[scheme]
    if not re.fullmatch(pattern, rest):
        raise ValueError(f"the reference '{scheme}:' leads nowhere; expected {form}")
    if scheme == "cmd":
        try:
            shlex.split(rest)
        except ValueError:
            raise ValueError(
                "the command after 'cmd:' has an open quote; expected cmd:COMMAND, quoted as in sh"
            ) from None
    return reference


SecretRef = Annotated[
    str,
    AfterValidator(_check_reference),
    Field(
        description="where the secret is, never the secret itself",
        examples=["file:~/.config/runbook/password"],
        json_schema_extra={"pattern": f"^({'|'.join(SCHEMES)}):.+", "format": "secret-reference"},
    ),
]
