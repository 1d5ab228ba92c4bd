"""Who is killed while writing records leaves what the next run mends; two controllers at once both stand."""

import multiprocessing
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from unittest import mock

import approvers
import pytest
import tampering
import time_stamps
from tampering import KANRI, KANSA, Site

from runbook_lib.errors import UsageError
from runbook_lib.records import (
    approvals,
    chain,
    files,
    policy,
    seal,
    signing,
    stamping,
    undone,
    verification,
)

BEFORE, RUN, NEXT = "20261130T000000Z-0000", "20261201T000000Z-aaaa", "20261201T010000Z-bbbb"
UNSEALED = "went on after its seal, and was not sealed again"
FORK = multiprocessing.get_context("fork")
RUNS = 20


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that signs and has its signatures stamped, with a run before; kanri is at work."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "keys").mkdir()
    lines = [
        f'{who} namespaces="{what}@runbook" {tampering.make_key(folder / "keys" / who.partition("@")[0])}\n'
        for who, what in ((KANRI, "run"), (KANSA, "signers"))
    ]
    (folder / "list").write_text("".join(lines))
    with tampering.signing_with(folder / "keys" / "kansa"):
        signing.replace_signers(folder / "records", folder / "list")
    with (
        tampering.signing_with(folder / "keys" / "kanri"),
        time_stamps.authority(folder / "tsa") as authority,
        tampering.stamped_by(authority),
    ):
        made(folder / "records", BEFORE)
        yield Site(folder / "records", folder / "keys", folder / "list", ())


def made(root: Path, run: str) -> None:
    """A run from its beginning to its time-stamp, that was put back later."""
    tampering.record(root, run, mode="apply")
    tampering.sign(root, run)
    stamping.stamp(root, run)
    undone.note(root, run, "mail12", complete=True, rollback=None)


def killed_at(number: int, *, after: bool, work: Callable[[], object]) -> None:
    """Do something in which this process dies at its nth write, before or behind it."""
    count = 0

    def counted(write: Callable[..., None], *given: object) -> None:
        nonlocal count
        count += 1
        if after or count != number:
            write(*given)
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    with (
        mock.patch.object(files, "_replace", partial(counted, files._replace)),
        mock.patch.object(files, "append", partial(counted, files.append)),
    ):
        work()


def deaths(
    root: Path, folder: Path, work: Callable[[Path], object], *, after: bool
) -> Iterator[tuple[int, Path]]:
    """Records in which somebody died at the first write of a work, at the second one, and so on, to its end."""
    for number in range(1, 100):
        copy = folder / f"{number}"
        shutil.copytree(root, copy)
        given = {"after": after, "work": partial(work, copy)}
        writer = FORK.Process(target=killed_at, args=(number,), kwargs=given)
        writer.start()
        writer.join(60)
        if writer.exitcode == 0:
            return
        assert writer.exitcode == -signal.SIGKILL
        yield number, copy


@pytest.mark.parametrize("after", [False, True], ids=["before", "behind"])
def test_killed_at_any_write_a_run_is_sealed_by_the_next_one(site: Site, after: bool, tmp_path: Path) -> None:
    number = 0
    for number, root in deaths(site.root, tmp_path, partial(made, run=RUN), after=after):
        made(root, NEXT)
        found = verification.check_all(root)
        assert found.holds, (number, found.told_wrong)
        there = {check.run: check.sealed for check in found.runs}
        assert there.pop(NEXT)
        assert all(there.values()), (number, there)
    assert number > 10, "it is not killed at each write"


def goes_on(root: Path) -> None:
    """A run that was sealed does more, as each chapter by hand and `runbook resume` do."""
    tampering.record(root, BEFORE, host="mail13", mode="apply")
    tampering.sign(root, BEFORE)
    stamping.stamp(root, BEFORE)


@pytest.mark.parametrize("after", [False, True], ids=["before", "behind"])
def test_killed_while_it_goes_on_a_sealed_run_says_so_and_is_sealed_by_the_next_one(
    site: Site, after: bool, tmp_path: Path
) -> None:
    told: dict[int, str] = {}
    for number, root in deaths(site.root, tmp_path / "copies", goes_on, after=after):
        told[number] = "\n".join(verification.check_all(root).told_wrong)
        if "not in the record's list" in told[number]:
            assert f"{UNSEALED}; the next run of this controller does it" in told[number]
            done = tampering.checked(tampering.unpacked(root, tmp_path / f"{number}"), site.signers)
            assert f"WRONG {BEFORE}: {UNSEALED}" in done.stdout.splitlines()
        made(root, NEXT)
        found = verification.check_all(root)
        assert found.holds, (number, found.told_wrong)
    assert sum(UNSEALED in one for one in told.values()) > 5, told
    done = tampering.checked(tampering.unpacked(root, tmp_path / "at-last"), site.signers)
    assert UNSEALED not in done.stdout
    assert "never sealed" not in done.stdout


def new_list(site: approvers.Site, root: Path) -> None:
    with tampering.signing_with(site.keys / "kansa"):
        signing.replace_signers(root, site.listed)


def an_approval(site: approvers.Site, root: Path) -> None:
    with suppress(UsageError):  # it is here already
        approvals.take_in(root, next(site.root.parent.glob("sent-*.json")))


def a_policy(site: approvers.Site, root: Path) -> None:
    with tampering.signing_with(site.keys / "kansa"):
        policy.lower(root, policy.Wanted())


def a_plan_spent(site: approvers.Site, root: Path) -> None:
    seal.begin(root, RUN)
    with tampering.signing_with(site.keys / "kanri"):
        approvals.bind(root, approvers.plan("mail1"), ["mail1"], run=RUN).spend(
            root, RUN, ["mail1"], ["11-key"]
        )


@pytest.mark.parametrize("after", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("work", [new_list, an_approval, a_policy, a_plan_spent])
def test_what_broke_off_is_typed_again_and_stands_once(
    work: Callable[[approvers.Site, Path], None], after: bool, tmp_path: Path
) -> None:
    people = approvers.make(tmp_path)
    people.sent("suzuki", approvers.plan("mail1").sha256)
    number = 0
    for number, root in deaths(people.root, tmp_path / "copies", partial(work, people), after=after):
        work(people, root)
        made_once = verification.check_all(root)
        assert made_once.wrong == (), (number, made_once.wrong)
        kinds = Counter(line.entry.kind for stream in chain.read_all(root) for line in stream.lines)
        assert kinds.pop("signers") <= 3  # typed again after its last write, it is another one
        assert kinds.pop("policy", 0) <= 2
        assert set(kinds.values()) <= {1}, (number, kinds)
    assert number > 1, "it is not killed at each write"


def several(root: Path, controller: str, runs: int) -> None:
    """One controller's runs, one after the other."""
    with mock.patch("runbook_lib.records.chain.stream_here", return_value=controller):
        for number in range(runs):
            made(root, f"20261202T0000{number:02}Z-{controller[-4:]}")


def test_two_controllers_at_once_write_a_stream_each_and_all_of_it_holds(
    site: Site, tmp_path: Path, tries: Callable[[int], int]
) -> None:
    runs = tries(RUNS)
    copy = site.copy(tmp_path / "records")
    writers = [
        FORK.Process(target=several, args=(copy.root, name, runs)) for name in ("one-aaaa", "two-bbbb")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(240)
    assert [writer.exitcode for writer in writers] == [0, 0]
    found = verification.check_all(copy.root, site.signers)
    assert found.holds, found.told_wrong
    begun = [
        sum(isinstance(line.entry, chain.Begin) for line in stream.lines)
        for stream in chain.read_all(copy.root)
        if stream.name.endswith(("aaaa", "bbbb"))
    ]
    assert begun == [runs, runs]
    assert sum(bool(check.signed_by) for check in found.runs) == 1 + 2 * runs
