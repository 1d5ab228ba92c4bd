"""Secrets by reference: an inventory says where a secret is, never what it is.

| reference              | the secret is                                                              |
| ---------------------- | -------------------------------------------------------------------------- |
| `env:NAME`             | the value of an environment variable                                       |
| `file:PATH`            | a file of mode 0600 that is yours; exactly one line end at its end is cut  |
| `keyring:SERVICE/USER` | an entry of this machine's keyring (`pip install 'runbook-lib[keyring]'`)  |
| `cmd:COMMAND ARG…`     | what a command prints (pass, sops, age …), run without a shell             |

`file:${CREDENTIALS_DIRECTORY}/NAME` reads what systemd's LoadCredential= hands to a unit.
A byte order mark at the head of it is no part of it.
A secret has at least 4 bytes: a shorter one cannot be kept out of texts.
A secret is resolved where it is used. The process that resolves one can `mask` it in whatever it shows.
"""

from runbook_lib.credentials.masking import Secret, mask, resolved
from runbook_lib.credentials.reference import SecretRef
from runbook_lib.credentials.resolving import LOGIN_PASSWORD_MAX_BYTES, resolve
from runbook_lib.credentials.writers import another_writer

__all__ = [
    "LOGIN_PASSWORD_MAX_BYTES",
    "Secret",
    "SecretRef",
    "another_writer",
    "mask",
    "resolve",
    "resolved",
]
