"""What a reference to a secret looks like, and what is said about one that is none."""

import re
import shlex
from typing import Annotated

from pydantic import AfterValidator, Field

from runbook_lib.messages import message

SCHEMES = ("env", "file", "keyring", "cmd")

_EXPECTED = message("a reference: env:NAME, file:PATH, keyring:SERVICE/USER or cmd:COMMAND")
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
    "env": (r"[A-Za-z_][A-Za-z0-9_]*", message("env:NAME with letters, digits and '_' in NAME")),
    "file": (r".*[^/]", message("file:PATH of a file, not of a folder")),
    "keyring": (r"[^/]+/.+", "keyring:SERVICE/USER"),
    "cmd": (r".*\S.*", message("cmd:COMMAND with its arguments")),
}


def _check_reference(reference: str) -> str:
    scheme, colon, rest = reference.partition(":")
    if not colon or scheme not in SCHEMES:
        if scheme.lower() in SCHEMES or scheme.lower() in _FOREIGN:
            raise ValueError(
                message(
                    "the scheme '{scheme}:' is not known; expected {expected}",
                    scheme=scheme,
                    expected=_EXPECTED,
                )
            )
        raise ValueError(
            message(
                "is not a reference (a secret never stands in an inventory itself); expected {expected}",
                expected=_EXPECTED,
            )
        )
    pattern, form = _PATTERNS[scheme]
    if not re.fullmatch(pattern, rest):
        raise ValueError(
            message("the reference '{scheme}:' leads nowhere; expected {form}", scheme=scheme, form=form)
        )
    if scheme == "cmd":
        try:
            shlex.split(rest)
        except ValueError:
            raise ValueError(
                message("the command after 'cmd:' has an open quote; expected cmd:COMMAND, quoted as in sh")
            ) from None
    return reference


SecretRef = Annotated[
    str,
    AfterValidator(_check_reference),
    Field(
        description=message("where the secret is, never the secret itself"),
        examples=["file:~/.config/runbook/password"],
        json_schema_extra={"pattern": f"^({'|'.join(SCHEMES)}):.+", "format": "secret-reference"},
    ),
]
