"""No secret in a record: masked first, then refused if one would still be there.

The exact match with what this process resolved is the real guard; key armour and crypt hashes are
secrets whatever their origin (a host's file may hold one that nobody named).
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from runbook_lib import credentials, display, places, secret_shape
from runbook_lib.credentials.reference import SCHEMES
from runbook_lib.errors import RecordError, SecretNotFollowed, SecretUnavailable
from runbook_lib.hidden import hidden
from runbook_lib.inventory import Inventory, secrets_of
from runbook_lib.messages import message

_HOME = re.compile(
    rf"(?<![\w.~-])(?:{re.escape(str(Path.home()))}|/home/[^/\s]+|/Users/[^/\s]+|/root)(?=[/\s:'\"]|$)"
)


def masked(value: object) -> object:
    """A copy of a JSON value in which every string is masked; what UTF-8 cannot hold is spelled out.

    Bytes become the text that a record's model would take them for.
    """
    if isinstance(value, bytes | bytearray):
        return masked(display.escape_bytes(bytes(value)))
    if isinstance(value, str):
        return hidden(credentials.mask(value.encode("utf-8", "backslashreplace").decode()))
    if isinstance(value, Mapping):
        return {str(key): masked(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [masked(item) for item in value]
    return value


def without_homes(value: object) -> object:
    """A copy of a JSON value whose paths say nothing of a person's folder.

    A path of the runbook's own files begins at their tree; the home of anybody is `~`.
    """
    if isinstance(value, str):
        return _HOME.sub("~", value.replace(f"{places.NOTEBOOKS.parent}/", ""))
    if isinstance(value, Mapping):
        return {str(without_homes(key)): without_homes(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [without_homes(item) for item in value]
    return value


def secret_in(value: object) -> str | None:
    """Say which kind of secret a JSON value holds, in a string or a key; None when it holds none."""
    # A notebook has some dozens of keys, thousands of times.
    return next((found for found in map(_secret_in_text, dict.fromkeys(_texts(value))) if found), None)


def _texts(value: object) -> Iterator[str]:
    """Every string and key of a JSON value."""
    if isinstance(value, bytes | bytearray):
        yield display.escape_bytes(bytes(value))
    elif isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in (*value.keys(), *value.values()):
            yield from _texts(part)
    elif isinstance(value, Sequence):
        for part in value:
            yield from _texts(part)


def _secret_in_text(text: str) -> str | None:
    if credentials.mask(text) != text or any(secret.reveal() in text for secret in credentials.resolved()):
        return message("a secret that this run resolved")
    return secret_shape.kind_in(text)


def refuse_secrets(value: object, where: str, remedy: str) -> None:
    """Raise RecordError, without the secret, when a JSON value still holds one.

    Args:
        where: the file that would have been written.
        remedy: what to do about it.
    """
    found = secret_in(value)
    if found:
        raise RecordError(
            message("would hold {found}", found=found),
            where,
            remedy,
            message("It was not written to the record."),
        )


def resolve_references(
    site: Inventory, host: str, schemes: Collection[str] = SCHEMES
) -> list[SecretUnavailable]:
    """Resolve every secret that chapters on a host may use, so that this process finds it where it is shown.

    Args:
        schemes: of references that may be followed here.
    Returns: the references that lead nowhere here; what they mean could stand in a notebook unseen.
    """
    unavailable = []
    wanted = {one.reference: one for one in secrets_of(site.site, site.host(host))}
    for reference, one in sorted(wanted.items()):
        scheme = reference.partition(":")[0]
        try:
            if scheme not in schemes:
                raise SecretNotFollowed(
                    message(
                        "'{scheme}:' is not followed when a notebook is saved, so nobody can look for this "
                        "secret in it",
                        scheme=scheme,
                    ),
                    message("{field}, to search the record for it", field=one.field),
                    message("attach the notebook yourself: runbook records add NOTEBOOK"),
                )
            credentials.resolve(reference, f"{host}, to search the record for it")
        except SecretUnavailable as error:
            unavailable.append(error)
    return unavailable
