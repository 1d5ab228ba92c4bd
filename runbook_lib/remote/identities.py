"""Which keys are offered to a host, in which order: the inventory's alone, else those that ssh would offer.

Source: ssh_config(5), IdentityFile, IdentitiesOnly, IdentityAgent: the agent's copies of configured keys come first,
then the agent's others, then the files.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import paramiko
from paramiko.ssh_exception import PasswordRequiredException

from runbook_lib.errors import LoginRefused
from runbook_lib.messages import message
from runbook_lib.remote import agent
from runbook_lib.remote.agent import Held
from runbook_lib.remote.route import Hop

_NO_KEY = (OSError, ValueError, paramiko.SSHException)  # PasswordRequiredException is one of the last

Identity = tuple[str, paramiko.PKey]  # a name for messages, and the key


def of(hop: Hop) -> Generator[Identity]:
    """The keys to offer to a machine, in order.

    Raises:
        LoginRefused: the key that the inventory names cannot be had.
    """
    if hop.key is not None:
        yield from _named(hop.key, hop)
        return
    files = hop.settings.identity_files
    halves = {half: path for path in files if (half := _public_half(path))}
    with agent.held(hop.settings.agent) as found:
        held = {key.get_base64(): key for key in found.keys}
        for half, path in halves.items():
            if half in held:
                yield f"the agent's {path}", held[half]
        for half, key in held.items():
            if half not in halves and not hop.settings.identities_only:
                yield f"the agent's {key.comment or key.get_name()}", key
    for path in files:
        if _public_half(path) not in held and not _is_public(path):
            yield from _readable(path)


def passed_over(hop: Hop) -> str:
    """What was found of keys and certificates and could not be offered, for the message of a refused login; or ''."""
    told: list[str] = []
    if hop.key is None:
        with agent.held(hop.settings.agent) as held:
            told += held.told
    for path in hop.settings.identity_files if hop.key is None else (hop.key,):
        if _is_public(path):
            continue
        try:
            _certify(_read_key(path), path)
        except FileNotFoundError:
            continue  # most of the usual files are not there
        except PasswordRequiredException:
            if hop.key is None:  # of a named one the agent's copy was offered
                told.append(f"{path} is encrypted (ssh-add {path})")
        except _NO_KEY as error:
            told.append(f"{path}: {getattr(error, 'strerror', None) or error}")
    return "; ".join(told)


def _named(path: Path, hop: Hop) -> Iterator[Identity]:
    """The certificate beside a key first, then the key alone; an encrypted key is taken from the agent."""
    try:
        if _is_public(path):
            raise PasswordRequiredException
        yield from _in_file(path)
    except PasswordRequiredException:
        with agent.held(hop.settings.agent) as held:
            yield f"the agent's {path}", _counterpart(path, held, hop)
    except _NO_KEY as error:
        raise LoginRefused(
            message(
                "the key {path} cannot be read: {error}",
                path=path,
                error=getattr(error, "strerror", None) or str(error),
            ),
            hop.where,
            message(
                "correct {key_field} in the inventory, or put the private key there (OpenSSH or PEM)",
                key_field=hop.key_field,
            ),
        ) from None


def _readable(path: Path) -> list[Identity]:
    """As ssh does it: a file of the configuration that cannot be read is passed over."""
    try:
        return list(_in_file(path))
    except _NO_KEY:  # told by `passed_over`
        return []


def _in_file(path: Path) -> Iterator[Identity]:
    certified = _read_key(path)
    try:
        certificate = _certify(certified, path)
    except _NO_KEY:
        certificate = None  # ssh, too, goes on with the key alone; told by `passed_over`
    if certificate is not None:
        yield str(certificate), certified
    yield str(path), _read_key(path)


def _certify(key: paramiko.PKey, path: Path) -> Path | None:
    """Give a key the certificate that lies beside its file; None where there is none."""
    certificate = path.with_name(path.name + "-cert.pub")
    try:
        content = certificate.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    try:
        key.load_certificate(content)
    except agent.UNREADABLE as error:
        raise paramiko.SSHException(
            f"{certificate.name} beside it is no certificate of it ({error})"
        ) from error
    return certificate


def _read_key(path: Path) -> paramiko.PKey:
    """A private key without the certificate beside it, which `PKey.from_path` would load."""
    wrong: Exception | None = None
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key_file(str(path))
        except PasswordRequiredException:
            raise
        except agent.UNREADABLE as error:
            wrong = error
    raise paramiko.SSHException(f"neither Ed25519, ECDSA nor RSA ({wrong})")


def _is_public(path: Path) -> bool:
    """Is the file itself a public key? Then its private half is in an agent."""
    try:
        with path.open("rb") as file:
            return file.read(12).startswith((b"ssh-", b"ecdsa-sha2-", b"sk-"))
    except OSError:
        return False


def _public_half(path: Path) -> str:
    """The base64 of a key's public half, from the file itself or the .pub beside it; '' where there is none."""
    public = path if _is_public(path) else path.with_name(path.name + ".pub")
    try:
        fields = public.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return ""
    return fields[1] if len(fields) > 1 else ""


def _counterpart(path: Path, held: Held, hop: Hop) -> paramiko.PKey:
    """The agent's copy of an encrypted key file, found by the public key beside the file."""
    wanted = _public_half(path)
    for key in held.keys:
        if key.get_base64() == wanted:
            return key
    what = message("is the public half") if _is_public(path) else message("is encrypted")
    raise LoginRefused(
        message(
            "the key {path} {what}, and no agent holds it{told}",
            path=path,
            what=what,
            told="".join(f"; {one}" for one in held.told),
        ),
        hop.where,
        message(
            "ssh-add {path} (the agent's copy is found by {name}.pub beside it)", path=path, name=path.name
        ),
    )
