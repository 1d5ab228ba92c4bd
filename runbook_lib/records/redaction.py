"""No secret in a record: masked first, then refused if one would still be there.

The exact match with what this process resolved is the real guard; key armour and crypt hashes are
secrets whatever their origin (a host's file may hold one that nobody named).
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from runbook_lib import credentials
from runbook_lib.credentials.reference import SCHEMES
from runbook_lib.errors import RecordError, SecretUnavailable
from runbook_lib.inventory import Inventory

_ARMOUR = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
# crypt(5): $id$…; at least 20 more characters of its alphabet, so that shell text like $1$2 is none.
_CRYPT_HASH = re.compile(r"\$(?:1|2[abxy]?|5|6|7|y|gy|sm3|sha1|md5)\$[./A-Za-z0-9$,=+-]{20,}")


def masked(value: object) -> object:
    """A copy of a JSON value in which every string is masked; what UTF-8 cannot hold is spelled out."""
    if isinstance(value, str):
        return credentials.mask(value.encode("utf-8", "backslashreplace").decode())
    if isinstance(value, Mapping):
        return {str(key): masked(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [masked(item) for item in value]
    return value


def secret_in(value: object) -> str | None:
    """Say which kind of secret a JSON value holds, in a string or a key; None when it holds none."""
    if isinstance(value, str):
        return _secret_in_text(value)
    parts: list[object] = []
    if isinstance(value, Mapping):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, Sequence):
        parts = list(value)
    return next((found for found in map(secret_in, parts) if found), None)


def _secret_in_text(text: str) -> str | None:
    if credentials.mask(text) != text or any(secret.reveal() in text for secret in credentials.resolved()):
        return "a secret that this run resolved"
    if _ARMOUR.search(text):
        return "a private key"
    if _CRYPT_HASH.search(text):
        return "a password's hash"
    return None


def refuse_secrets(value: object, where: str, remedy: str) -> None:
    """Raise RecordError, without the secret, when a JSON value still holds one.

    Args:
        where: the file that would have been written.
        remedy: what to do about it.
    """
    found = secret_in(value)
    if found:
        raise RecordError(f"would hold {found}", where, remedy, "It was not written to the record.")


def resolve_references(site: Inventory, host: str) -> list[SecretUnavailable]:
    """Resolve every secret that chapters on a host may use, so that this process finds it where it is shown.

    Returns: the references that lead nowhere here; what they mean could stand in a notebook unseen.
    """
    unavailable = []
    for reference in sorted(
        {*_references(site.host(host).model_dump()), *_references(site.site.model_dump())}
    ):
        try:
            credentials.resolve(reference, f"{host}, to search the record for it")
        except SecretUnavailable as error:
            unavailable.append(error)
    return unavailable


def _references(value: object) -> Iterator[str]:
    if isinstance(value, str) and value.partition(":")[0] in SCHEMES:
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _references(item)
