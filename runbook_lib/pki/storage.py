"""The CA's directory: its ledger, and of each root certificate and key, mode 0600 in 0700, made whole or not at all."""

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from filelock import FileLock, Timeout

from runbook_lib.credentials import Secret
from runbook_lib.errors import AuthorityError, LedgerBusy
from runbook_lib.messages import message
from runbook_lib.pki import key_file
from runbook_lib.x509 import keys

CERTIFICATE = "ca.pem"
KEY = "ca.key"
LEDGER = "ledger.sqlite3"
ROOT_NAME = re.compile(r"ca(-[0-9]{1,4})?\.pem")  # as `certificate_name` gives them
FIRST = 1  # generation of the root that the CA began with
PASSPHRASE_CHARACTERS_MIN = 12


LOCK_TIMEOUT_S = 60.0


@contextmanager
def locked(directory: Path, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """The one lock of a CA: who issues, revokes, lists, rolls over, backs up or restores has it from look to last byte.

    A thread that has it may take it again. It lies beside the directory, which a restore replaces.

    Raises:
        LedgerBusy: another thread or process had it for too long; nothing was done.
        AuthorityError: the lock's file cannot be written.
    """
    place = directory.resolve()
    path = place.with_name(f".{place.name}.lock")
    # 0600: whoever may open a lock's file may hold it.
    lock = FileLock(path, timeout=LOCK_TIMEOUT_S, mode=0o600, is_singleton=True)
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout as error:
        raise LedgerBusy(
            message(
                "another process was at work with the CA for {timeout_s} s; nothing was done",
                timeout_s=f"{timeout_s:g}",
            ),
            message("CA {directory}", directory=directory),
            message("wait until it has ended, then run this again."),
        ) from error
    except OSError as error:
        raise AuthorityError(
            message(
                "the lock {path} cannot be taken ({reason}); nothing was done",
                path=path,
                reason=error.strerror,
            ),
            message("CA {directory}", directory=directory),
            message("make the directory that the CA's lies in one that its owner may write to."),
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def being_made(directory: Path) -> Iterator[Path]:
    """A directory beside the final one to write into; it gets its name if all went well, else is removed.

    Raises:
        AuthorityError: something is there already, or the disk refuses.
    """
    final = directory.resolve()
    try:
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))  # mode 0700
    except OSError as error:
        raise _unwritable(final, error) from error
    try:
        yield stage
        _fsync(stage)
        stage.rename(final)  # refused by the kernel where a directory with something in it is there
        _fsync(final.parent)
    except OSError as error:
        if final.exists():
            raise AuthorityError(
                message("there is something already; a CA is never written over"),
                message("CA {directory}", directory=final),
                message("open that CA, or name another directory in site.ca.directory of the inventory."),
            ) from error
        raise _unwritable(final, error) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write(path: Path, content: bytes) -> None:
    """A new file of mode 0600, on disk when this returns."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def certificate_name(generation: int) -> str:
    """File name of a root: ca.pem, then ca-2.pem."""
    return CERTIFICATE if generation == FIRST else f"ca-{generation}.pem"


def key_name(generation: int) -> str:
    """File name of a root's key: ca.key, then ca-2.key."""
    return KEY if generation == FIRST else f"ca-{generation}.key"


def crl_name(generation: int) -> str:
    """File name of a root's list of revoked certificates, DER: crl.crl, then crl-2.crl; .pem beside it."""
    return "crl.crl" if generation == FIRST else f"crl-{generation}.crl"


def replace(path: Path, content: bytes) -> None:
    """A file of mode 0600 in the place of the one that may be there, in one step."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    write(new, content)
    new.rename(path)
    _fsync(path.parent)


def write_key(directory: Path, key: rsa.RSAPrivateKey, passphrase: Secret, generation: int = FIRST) -> None:
    """The CA's key, encrypted (`key_file`)."""
    write(directory / key_name(generation), key_file.encrypted(key, passphrase))


def strengthen_key(
    directory: Path, key: rsa.RSAPrivateKey, passphrase: Secret, generation: int = FIRST
) -> None:
    """Write a key's file anew where it is of before, when trying passphrases was quick; a copy elsewhere stays so."""
    path = directory / key_name(generation)
    if key_file.is_weak(read(path)):
        with locked(directory):
            replace(path, key_file.encrypted(key, passphrase))


def drop_key(directory: Path, generation: int) -> None:
    """Remove the key of a root that never came to be."""
    (directory / key_name(generation)).unlink(missing_ok=True)


def read(path: Path) -> bytes:
    """A file of the CA.

    Raises:
        AuthorityError: it is not there or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise AuthorityError(
            message("{name} cannot be read ({reason})", name=path.name, reason=error.strerror),
            message("CA {directory}", directory=path.parent),
            message(
                "make a CA there (runbook ca init), or name its directory in site.ca.directory of the "
                "inventory."
            ),
        ) from error


def read_key(
    directory: Path, passphrase: Secret, root: x509.Certificate, generation: int = FIRST
) -> rsa.RSAPrivateKey:
    """The CA's key, decrypted.

    Raises:
        AuthorityError: a wrong passphrase, a key that is not encrypted, or one that is not the certificate's.
    """
    name = key_name(generation)
    where = message("CA {directory}, {name}", directory=directory, name=name)
    try:
        key = load_pem_private_key(read(directory / name), passphrase.reveal().encode())
    except TypeError as error:
        raise AuthorityError(
            message("the key is not encrypted"),
            where,
            message(
                "encrypt it: openssl pkcs8 -topk8 -v2 aes256 -iter {rounds} -in {name} -out {name}.new",
                rounds=key_file.ROUNDS,
                name=name,
            ),
        ) from error
    except ValueError as error:
        raise AuthorityError(
            message("the passphrase does not open the key, or the file is damaged"),
            where,
            message("check site.ca.passphrase of the inventory; else restore the file from the backup."),
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey) or keys.public_key_sha256(
        key.public_key()
    ) != keys.public_key_sha256(root.public_key()):
        raise AuthorityError(
            message("the key is not the one of {certificate}", certificate=certificate_name(generation)),
            where,
            message("restore both files from the same backup."),
        )
    return key


def check_modes(directory: Path, generations: Iterable[int] = (FIRST,)) -> None:
    """Nobody else may read or replace anything of the CA.

    Raises:
        AuthorityError: a file that others may read or write, that belongs to somebody else, or is missing.
    """
    for path, mode in [
        (directory, 0o700),
        (directory / LEDGER, 0o600),
        *(
            (directory / name, 0o600)
            for generation in generations
            for name in (certificate_name(generation), key_name(generation))
        ),
    ]:
        try:
            status = path.stat()
        except OSError as error:
            raise AuthorityError(
                message("{path} is not there ({reason})", path=path, reason=error.strerror),
                message("CA {directory}", directory=directory),
                message("make a CA there (runbook ca init), or restore the directory from the backup."),
            ) from error
        if status.st_uid != os.geteuid():
            raise AuthorityError(
                message(
                    "{path} belongs to uid {owner}, you are {uid}",
                    path=path,
                    owner=status.st_uid,
                    uid=os.geteuid(),
                ),
                message("CA {directory}", directory=directory),
                message("run this as the CA's owner."),
            )
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise AuthorityError(
                message(
                    "others may use {path}: its mode is {seen}, expected {mode}",
                    path=path,
                    seen=f"{stat.S_IMODE(status.st_mode):04o}",
                    mode=f"{mode:04o}",
                ),
                message("CA {directory}", directory=directory),
                message(
                    "find out who could have read it, then: chmod {mode} {path}", mode=f"{mode:o}", path=path
                ),
            )


def _fsync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(directory: Path, error: OSError) -> AuthorityError:
    return AuthorityError(
        message("the directory cannot be made ({reason})", reason=error.strerror),
        message("CA {directory}", directory=directory),
        message("name a directory of your own, on a disk with room, in site.ca.directory of the inventory."),
    )
