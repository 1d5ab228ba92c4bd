"""The CA in one file, and back from it: what a restore brings, and what it loses against what was there.

The file is a tar of the directory's own files; the keys in it are encrypted as they are there. A ledger is copied by
SQLite itself inside the CA's lock, so that it is whole whoever is at work.
"""

import io
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.credentials import Secret
from runbook_lib.errors import AuthorityError
from runbook_lib.messages import message
from runbook_lib.pki import authority, certificate, lists, rollover, storage
from runbook_lib.pki.ledger import Issuance, Ledger
from runbook_lib.pki.revocation import revocations

# What a backup may hold, and how much of each: a ledger of 100,000 certificates is below 300 MB.
_NAME = re.compile(r"ca(-[0-9]{1,4})?\.(pem|key)|crl(-[0-9]{1,4})?\.(crl|pem)|ledger\.sqlite3")
_BYTES_MAX = 1 << 30


@dataclass(frozen=True)
class Restored:
    """What a restore brought, and what the CA that was there knew and this one does not.

    Args:
        newest: the newest time in the ledger that came back; None where it is empty. What was done later is unknown.
        aside: where the directory is that was there; None where there was none.
        lost: certificates that its ledger has and the restored one lacks; None where that could not be read.
        revoked: serials that were revoked there, and of which no list says so; they have to be revoked again.
        kept_lists: numbers of the lists that were newer than the backup's, and were kept: who is revoked stays so.
        kept_roots: generations of roots that the backup lacks, and that were kept: users may have them.
    """

    newest: datetime | None
    aside: Path | None
    lost: tuple[Issuance, ...] | None = ()
    revoked: tuple[str, ...] = ()
    kept_lists: tuple[int, ...] = ()
    kept_roots: tuple[int, ...] = ()


def write(directory: Path, target: Path) -> tuple[str, ...]:
    """Write the CA into a new file of mode 0600; returns the names in it.

    Raises:
        AuthorityError: there is no CA, the file is there already, or it cannot be written.
        LedgerBusy: another process was at work with the CA for too long.
    """
    authority.open_ledger(directory)
    with storage.locked(directory), tempfile.TemporaryDirectory(prefix=".backup.", dir=directory) as folder:
        copy = Path(folder) / storage.LEDGER
        with (
            authority.open_ledger(directory).reading() as database,
            closing(sqlite3.connect(copy)) as into,
        ):
            database.backup(into)
            into.execute("PRAGMA journal_mode = DELETE")  # one file, whole in itself
        paths = {path.name: path for path in directory.iterdir() if _NAME.fullmatch(path.name)}
        paths[storage.LEDGER] = copy
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, path in sorted(paths.items()):
                entry = tarfile.TarInfo(name)
                content = path.read_bytes()
                entry.size, entry.mode, entry.mtime = len(content), 0o600, int(path.stat().st_mtime)
                archive.addfile(entry, io.BytesIO(content))
        try:
            storage.write(target, packed.getvalue())
        except OSError as error:
            raise AuthorityError(
                message("the backup cannot be written ({reason})", reason=error.strerror),
                str(target),
                message("name a file that is not there yet, in a directory of your own with room."),
                message("No backup was made."),
            ) from error
        return tuple(sorted(paths))


def restore(directory: Path, source: Path, passphrase: Secret) -> Restored:
    """Bring the CA back from a backup. What is there is set aside whole; nothing of it is removed.

    A list of revoked certificates that is newer there than in the backup is kept, so that nobody who was revoked is
    trusted again, and no number is given out twice.

    Args:
        directory: the CA's; it may be missing, damaged or whole.
        passphrase: of the backup's keys: a backup that cannot be opened takes nobody's place.
    Raises:
        AuthorityError: the file is no backup of a CA, is damaged, its passphrase is another one, or it is of another CA
            than the one that is there. Nothing was changed then.
        LedgerBusy: another process was at work with the CA for too long.
    """
    place = directory.resolve()
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with storage.locked(directory), _unpacked(place, source) as stage:
        ledger = Ledger(stage / storage.LEDGER)
        for generation in rollover.roots(ledger).handed_out:
            name = storage.certificate_name(generation)
            root = certificate.load(storage.read(stage / name), f"{source}, {name}")
            storage.read_key(stage, passphrase, root, generation)
        newest = ledger.newest_time()
        if not place.exists():
            stage.rename(place)
            return Restored(newest, None)
        there = place / storage.CERTIFICATE
        if there.is_file() and there.read_bytes() != (stage / storage.CERTIFICATE).read_bytes():
            raise AuthorityError(
                message("the backup is of another CA than the one that is there"),
                message("{source}, CA {directory}", source=source, directory=directory),
                message(
                    "name another directory in site.ca.directory of the inventory, or move the CA that is "
                    "there aside."
                ),
                message("Nothing was changed."),
            )
        kept_roots = _keep_roots(place, stage)
        kept_lists = _keep_newer_lists(place, stage)
        lost, revoked = _lost(place, ledger)
        aside = place.with_name(f"{place.name}.before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        place.rename(aside)
        stage.rename(place)
        return Restored(newest, aside, lost, revoked, kept_lists, kept_roots)


@contextmanager
def _unpacked(place: Path, source: Path) -> Iterator[Path]:
    stage = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    try:
        try:
            with tarfile.open(source, mode="r:") as archive:
                for entry in archive:
                    if not entry.isfile() or not _NAME.fullmatch(entry.name) or entry.size > _BYTES_MAX:
                        raise _no_backup(
                            source, message("it holds {name}, which no CA has", name=repr(entry.name[:100]))
                        )
                    content = archive.extractfile(entry)
                    storage.write(stage / entry.name, content.read() if content else b"")
        except (tarfile.TarError, OSError, EOFError) as error:
            raise _no_backup(source, str(error)) from error
        storage.check_modes(stage)
        with Ledger(stage / storage.LEDGER).reading() as database:
            (said,) = database.execute("PRAGMA integrity_check").fetchone()
            if said != "ok":
                raise _no_backup(source, message("its ledger is damaged: {said}", said=said[:200]))
            database.execute("PRAGMA journal_mode = WAL")
        lists.on_disk(stage)
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _lost(place: Path, ledger: Ledger) -> tuple[tuple[Issuance, ...] | None, tuple[str, ...]]:
    """Certificates and revocations that the ledger there has and the restored one lacks; None where it is damaged."""
    with ledger.moment() as now:
        brought = set(now.serials())
    known = revocations(ledger)
    try:
        there = authority.open_ledger(place)
        with there.moment() as now:
            issued = tuple(one for one in now.issuances() if one.serial not in brought)
        return issued, tuple(serial for serial in revocations(there) if serial not in known)
    except AuthorityError:  # the usual reason for a restore
        return None, ()


def _keep_roots(place: Path, stage: Path) -> tuple[int, ...]:
    """Copy each root that the backup is too old to have."""
    kept = []
    for path in sorted(place.glob("ca-*.pem")):
        generation = path.stem.removeprefix("ca-")
        if generation.isdecimal() and not (stage / path.name).exists():
            for name in (storage.certificate_name(int(generation)), storage.key_name(int(generation))):
                storage.write(stage / name, storage.read(place / name))
            kept.append(int(generation))
    return tuple(kept)


def _keep_newer_lists(place: Path, stage: Path) -> tuple[int, ...]:
    """Copy each list that is newer there than in the backup."""
    numbers = {one.generation: one.number for one in lists.on_disk(stage)}
    kept = []
    for one in lists.on_disk(place):
        if one.number > numbers.get(one.generation, 0):
            path = place / storage.crl_name(one.generation)
            for name in (path.name, path.with_suffix(".pem").name):
                storage.replace(stage / name, storage.read(place / name))
            kept.append(one.number)
    return tuple(kept)


def _no_backup(source: Path, why: str) -> AuthorityError:
    return AuthorityError(
        message("this is no backup of a CA that can be brought back: {why}", why=why),
        str(source),
        message("give a file that runbook ca backup wrote, whole."),
        message("Nothing was changed."),
    )
