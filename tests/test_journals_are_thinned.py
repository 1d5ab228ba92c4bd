"""`runbook journals thin`: no undo that could still be used goes, unless a person names its run."""

from pathlib import Path

import pytest
from journals_made_up import StandIn

from runbook_lib.errors import ApplyRefused, UsageError
from runbook_lib.mail.configuration.journaled import POSTFIX
from runbook_lib.remote import drift, journals, runs
from runbook_lib.remote.facts import gather
from runbook_lib.remote.journal import FUNCTIONS
from runbook_lib.remote.journals import Choice, Kept


class Scene:
    """A host with a run of every kind, the newest last."""

    def __init__(self, folder: Path) -> None:
        self.host = StandIn(folder)
        self.stays, self.again, self.edited = (folder / name for name in ("stays", "again", "edited"))
        for path in (self.stays, self.again, self.edited):
            path.write_text("first\n")
        self.first = self.host.add(1, self.stays, self.again, self.edited)
        self.back = self.host.add(2, self.stays, undone=True)
        self.again.write_text("second\n")
        self.between = self.host.add(3, self.again)
        self.cut_off = self.host.add(4, self.stays, is_open=True)
        self.packages = self.host.add(5, more="packages_back 001")
        self.packages = self.host.add(6, self.again, more="packages_back 001")
        self.newest = self.host.add(7, self.again)
        self.edited.write_text("by somebody\n")
        (self.host.journals / "20260101T000008Z-abcd").mkdir()

    def look(self) -> tuple[Kept, ...]:
        return journals.look(self.host, [POSTFIX])

    def choose(self, **how: object) -> tuple[Choice, ...]:
        return journals.choose(self.look(), **({"held": {}} | how))  # type: ignore[arg-type]

    def going(self, **how: object) -> list[str]:
        return [choice.kept.run for choice in self.choose(**how) if not choice.stays]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_it_is_told_what_each_undo_could_still_give_back(scene: Scene) -> None:
    told = {one.run: one.told for one in scene.look()}
    assert told[scene.first] == (
        "its undo has 3 things: 1 as it left them, 1 changed again by later runs, 1 changed by others since, which its "
        "undo spares"
    )
    assert told[scene.back] == "put back already"
    assert told[scene.between] == "its undo has 1 thing: 1 changed again by later runs"
    assert told[scene.cut_off] == "unfinished, perhaps half made: stays is written"
    assert told[scene.packages] == (
        "its undo has 2 things: 1 changed again by later runs, 1 not compared (packages, accounts, firewall)"
    )
    assert told[scene.newest] == "its undo has 1 thing: 1 as it left them"
    assert told["20260101T000008Z-abcd"] == "no change of it was begun"


def test_without_a_name_those_go_alone_that_have_nothing_to_give_back(scene: Scene) -> None:
    nothing = ["20260101T000005Z-abcd", "20260101T000008Z-abcd"]
    assert sorted(scene.going()) == sorted([scene.back, *nothing])


def test_before_a_run_all_older_ones_go_but_what_is_unfinished(scene: Scene) -> None:
    going = scene.going(before=scene.packages)
    assert {scene.first, scene.between, scene.back} <= set(going)
    assert not {scene.cut_off, scene.packages, scene.newest} & set(going)


def test_a_run_that_is_named_goes_whatever_it_has(scene: Scene) -> None:
    assert {scene.cut_off} == set(scene.going(named=[scene.cut_off])) - set(scene.going())


def test_the_newest_and_what_is_on_hold_stay_even_if_named(scene: Scene) -> None:
    for run, held in ((scene.newest, {}), (scene.first, {scene.first: "MAIL-7"})):
        with pytest.raises(ApplyRefused, match=run):
            scene.choose(named=[run], held=held)
    assert scene.first not in scene.going(before=scene.newest, held={scene.first: "MAIL-7"})
    assert scene.back not in scene.going(held={scene.back: "MAIL-7"})


def test_a_run_that_is_not_there_is_wrong_usage(scene: Scene) -> None:
    for how in ({"named": ["20250101T000000Z-0000"]}, {"before": "20250101T000000Z-0000"}):
        with pytest.raises(UsageError):
            scene.choose(**how)


def test_what_was_chosen_is_gone_and_nothing_else(scene: Scene) -> None:
    before = {path.name for path in scene.host.journals.iterdir()}
    going = [choice.kept for choice in scene.choose() if not choice.stays]
    gone = journals.take_away(scene.host.journal("20260102T000000Z-abcd"), going, "by=kanri")
    assert set(gone) == {one.run for one in going}
    assert {path.name for path in scene.host.journals.iterdir()} == before - set(gone)


def test_a_journal_in_which_somebody_wrote_since_stays(scene: Scene) -> None:
    (one,) = (one for one in scene.look() if one.run == scene.back)
    (scene.host.journals / scene.back / "002.begun").touch()
    assert journals.take_away(scene.host.journal("20260102T000000Z-abcd"), [one], "by=kanri") == ()
    assert (scene.host.journals / scene.back).is_dir()


def test_what_changed_since_is_told_of_each_thing_by_the_run_that_left_it_last(scene: Scene) -> None:
    answer = gather(scene.host, drift.fact([POSTFIX]), root=True, functions=FUNCTIONS)["drift"]
    assert [(one.what, one.run) for one in drift.drifted(answer, [POSTFIX])] == [
        (str(scene.edited), scene.first)
    ]


def test_how_a_host_stands_is_read_of_500_runs_without_a_program_for_each(tmp_path: Path) -> None:
    """Programs that are started are counted: a clock would be no verdict."""
    host = StandIn(tmp_path)
    path = tmp_path / "file"
    path.write_text("one\n")
    for number in range(1, 501):
        host.add(number, path, path)
    counted = tmp_path / "bin"
    counted.mkdir()
    for name in ("cat", "awk", "sed", "grep", "cut", "stat", "ls", "sort", "sha256sum"):
        wrapper = counted / name
        wrapper.write_text(f'#!/bin/sh\necho x >> {tmp_path}/started\nPATH=${{PATH#*:}}\nexec {name} "$@"\n')
        wrapper.chmod(0o755)
    ahead = f"PATH={counted}:$PATH\n"
    standing = host.run(ahead + runs._SCRIPT)
    assert standing.stdout.count(b"20260101T") == 500
    started = (tmp_path / "started").read_text().count("x")
    assert started < 20
    look = host.run(ahead + FUNCTIONS + drift.fact([POSTFIX])["drift"])
    assert look.stdout.count(b"left\t") == 1  # of one thing the last run's word
    assert (tmp_path / "started").read_text().count("x") - started < 520  # one a run, and a few
