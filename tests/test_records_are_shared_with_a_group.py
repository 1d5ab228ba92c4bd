"""Records that the inventory shares with a group: its members read and check them, nobody else does, nobody writes."""

import grp
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runbook_lib.batch.written_order import WrittenOrder
from runbook_lib.errors import RunbookError
from runbook_lib.records import Record, files, index, verification
from runbook_lib.records.publish import publish

GROUP = "mail"  # any that is there, and that nobody's account is not in
RUN = "20261001T120000Z-ab12"
PRIVATE = "20200101T000000Z-0000"


def asked_by(group: str, question: Callable[[], object]) -> str:
    """What an account that owns nothing is answered, which is in one group beside its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([grp.getgrnam(group).gr_gid])
        os.setgid(grp.getgrnam("nogroup").gr_gid)
        os.setuid(pwd.getpwnam("nobody").pw_uid)
        try:
            told = repr(question())
        except RunbookError as error:
            told = str(error)
        except BaseException as error:  # noqa: BLE001  # a fork must not go on as a second pytest
            told = f"unforeseen: {error!r}"
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, encoding="utf-8") as answer:
        return answer.read()


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder of records: one run that is shared, and one of before, which is not."""
    folder = Path(tempfile.mkdtemp())  # into pytest's own nobody else gets
    folder.chmod(0o755)
    records = folder / "records"
    files.share_with(grp.getgrnam(GROUP).gr_gid)
    try:
        record = Record.begin(
            records, RUN, "mail1", "11-key", title="1-1 A chapter", mode="plan", reason="", operator="kanri",
            lab=False, facts={}, inventory_sha256="0" * 64,
        )  # fmt: skip
        record.finish("planned", "Done.")
        order().write(records / RUN)
        publish(records, RUN)
        (records / PRIVATE).mkdir(mode=0o700)
        yield records
    finally:
        files.share_with(None)
        shutil.rmtree(folder)


def order() -> WrittenOrder:
    return WrittenOrder(
        mode="plan", inventory="site", inventory_sha256="0" * 64, hosts=("mail1",), chapters={"11-key": "0" * 64},
        workers=None, reason="", next_options="", parameters=(),
    )  # fmt: skip


def test_its_members_read_and_check_them(root: Path) -> None:
    assert stat.S_IMODE((root / RUN).stat().st_mode) == 0o2750
    assert asked_by(GROUP, lambda: (index.runs(root), index.runs_of_others(root))) == repr(
        ((RUN,), (PRIVATE,))
    )
    assert asked_by(GROUP, lambda: verification.check(root / RUN).holds) == "True"
    assert asked_by(GROUP, lambda: index.read_run(root / RUN).hosts) == "('mail1',)"


@pytest.mark.parametrize("question", [verification.check, index.read_run])
def test_a_run_of_before_stays_its_owners(question: Callable[[Path], object], root: Path) -> None:
    assert "another's, and you may not read them" in asked_by(GROUP, lambda: question(root / PRIVATE))


def test_nobody_goes_on_with_anothers_run(root: Path) -> None:
    assert "you may read it, and not go on with it" in asked_by(
        GROUP, lambda: order().refuse_anothers(root / RUN)
    )


@pytest.mark.parametrize(("question", "place"), [(index.refuse_unreadable, "."), (verification.check, RUN)])
def test_nobody_else_reads_them_and_is_told_so(
    question: Callable[[Path], object], place: str, root: Path
) -> None:
    assert "another's, and you may not read them" in asked_by("nogroup", lambda: question(root / place))
