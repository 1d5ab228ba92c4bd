"""What is sent to a public CA: the CSR of a host, checked once more, with the answers that the CA's form wants."""

from dataclasses import replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding

from runbook_lib.chapters.opening import Opened, open_host
from runbook_lib.chapters.signing import NOTEBOOK
from runbook_lib.errors import ApplyRefused
from runbook_lib.inventory.purposes import MAIL
from runbook_lib.inventory.typed import apply_to
from runbook_lib.messages import message
from runbook_lib.pki import csr, pem, request_form
from runbook_lib.remote.change import quote
from runbook_lib.remote.facts import gather


def csr_to_send(
    inventory_name: str, host_name: str, purpose: str = MAIL
) -> tuple[bytes, list[tuple[str, str]]]:
    """The CSR that is on the host, clean PEM, and what a CA's form asks. Reads the host, and changes nothing.

    Nothing secret is read: of the key only the digest of its public half leaves the host.

    Args:
        purpose: which of the host's certificates it is for.
    Raises:
        UsageError: the host has none for that.
        ApplyRefused: there is no CSR, or it is not for the key or the names that are wanted now.
        CsrRefused: it is not sound.
    """
    opened = _opened(inventory_name, host_name, purpose)
    path, key, public_key, content = _read(opened)
    where = f"{opened.host.name}, {path}"
    again = message("make it anew, with what the inventory grants: {command}", command=_make(opened))
    if content is None:
        raise ApplyRefused(message("the server has no CSR yet"), where, again)
    checked = csr.check_csr(content, opened.host.names.all, where)
    if checked.public_key_sha256 != public_key:
        raise ApplyRefused(
            message(
                "the CSR is not for the server's key: SHA-256 of its public key is {public_key_sha256}, "
                "of {key} {public_key}",
                public_key_sha256=checked.public_key_sha256,
                key=key,
                public_key=public_key or message("none: there is no key"),
            ),
            where,
            again,
        )
    missing = [name for name in opened.host.names.all if name not in checked.names]
    if missing:
        lines = "".join(
            f"\n    {' ' if name in checked.names else '+'} {name}" for name in opened.host.names.all
        )
        raise ApplyRefused(
            message(
                "the CSR does not ask for every name of the inventory (+: it lacks it):{lines}", lines=lines
            ),
            where,
            again,
        )
    clean = pem.block("CERTIFICATE REQUEST", checked.request.public_bytes(Encoding.DER))
    to_send = csr.check_csr(clean, opened.host.names.all, where)
    domain = opened.inventory.site.domain
    others = [name for name in checked.names if name != domain and not name.endswith(f".{domain}")]
    domains = [domain, *others]
    return clean, request_form.rows(to_send, domains, f"{datetime.now(UTC):%Y-%m-%d}")


def _opened(inventory_name: str, host_name: str, purpose: str) -> Opened:
    """A host as it is seen with one of its certificates."""
    opened = open_host(NOTEBOOK, frozenset(), inventory_name, host_name, "plan", "")
    return replace(opened, host=opened.host.for_purpose(purpose))


def _make(opened: Opened) -> str:
    return apply_to(opened.inventory, opened.host, chapter="11")


def _read(opened: Opened) -> tuple[str, str, str, bytes | None]:
    names, folder = opened.host.certificate, opened.family.key_directory
    path, key = folder / names.csr_file, folder / names.nopass_key_file
    facts = {
        "csr": f"cat {quote(path)}",
        "key_is_there": f"test -s {quote(key)}",
        "public_key": f"openssl pkey -in {quote(key)} -pubout -outform DER | sha256sum | cut -c1-64",
    }
    found = gather(opened.remote, facts, root=True)
    has_csr = found["csr"].status == 0 and found["csr"].value
    public_key = found["public_key"].value if found["key_is_there"].status == 0 else ""
    return str(path), str(key), public_key, (found["csr"].value + "\n").encode() if has_csr else None


def public_key_of(inventory_name: str, host_name: str, purpose: str = MAIL) -> str:
    """SHA-256 of the public half of a host's key, hex.

    Args:
        purpose: of which of its certificates the key is.
    Raises:
        UsageError: the host has none for that.
        ApplyRefused: there is no key on the host.
    """
    opened = _opened(inventory_name, host_name, purpose)
    _, key, public_key, _ = _read(opened)
    if not public_key:
        raise ApplyRefused(
            message("the server has no key at {key}, so no certificate can be for it", key=key),
            opened.host.name,
            message("make key and CSR: {command}", command=_make(opened)),
        )
    return public_key
