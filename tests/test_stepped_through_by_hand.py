"""What a person sees who steps through a chapter in JupyterLab: kernels as its server starts them."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import stepped
from stepped import CHECKOUT, Stepped

from lab import Lab
from runbook_lib.records import Record
from runbook_lib.records.origin import run_id

BY_HAND = {"JPY_SESSION_NAME": "11-key-and-csr.ipynb"}
LONG = """
import time
from runbook_lib.chapters import progress

@progress.shown("looking at the host")
def work():
    print("said before")
    progress.now("packages are installed")
    time.sleep(5)
work()
"the result"
"""
REFUSED = """
from runbook_lib.errors import ApplyRefused
def within():
    raise ApplyRefused("there is no certificate", "debian12", "run chapters 1-1 and 1-2 first")
within()
"""


@pytest.fixture(scope="module")
def by_hand() -> Iterator[Stepped]:
    with stepped.kernel(**BY_HAND) as one:
        yield one


@pytest.mark.programs
def test_a_cell_below_the_opening_says_what_to_do(by_hand: Stepped) -> None:
    told = by_hand.run("chapter.apply(packages)")
    assert told.startswith("UsageError: chapter.apply: no chapter is open in this kernel"), told
    assert "run the notebook from the top" in told
    assert "NameError" not in told
    assert "run the notebook from the top" in by_hand.run("chapter")


@pytest.mark.programs
def test_a_refusal_is_its_sentence_and_the_trace_is_folded_below(by_hand: Stepped) -> None:
    by_hand.run(REFUSED)
    sentence, folded = by_hand.shown
    assert sentence == (
        "ApplyRefused: debian12: there is no certificate\n  Nothing was changed.\n"
        "  To do: run chapters 1-1 and 1-2 first"
    )
    assert folded.startswith("<details><summary>")
    assert "in within" in folded


@pytest.mark.programs
def test_a_long_cell_says_what_it_does_and_leaves_no_trace(by_hand: Stepped) -> None:
    left = by_hand.run(LONG)
    assert left == "'the result'"
    words = [text for text in by_hand.shown if "At work for" in text]
    assert len(words) >= 2
    assert all("packages are installed" in text for text in words)


@pytest.mark.programs
def test_what_is_stored_and_compared_has_none_of_it() -> None:
    with stepped.kernel() as one:
        one.run(LONG)
        assert [text.strip() for text in one.shown] == ["said before", "'the result'"]
        one.run(REFUSED)
        assert len(one.shown) == 1


def cells(chapter: str) -> list[str]:
    """The code cells of a notebook, its parameters too."""
    notebook = json.loads((CHECKOUT / "notebooks" / f"{chapter}.ipynb").read_bytes())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_a_chapter_that_is_interrupted_and_whose_cells_are_run_twice(lab: Lab, tmp_path: Path) -> None:
    lab.reset("debian12", "signed")
    run = run_id(datetime.now(UTC))
    environment = BY_HAND | {"RUNBOOK_RECORDS": str(tmp_path), "RUNBOOK_RUN": run}
    chapter = cells("20-postfix-debian")
    record = tmp_path / run / "debian12" / "20-postfix-debian.json"
    packages = chapter.index("chapter.apply(packages)")
    with stepped.kernel(**environment) as one:
        for cell in chapter[:packages]:
            one.run(cell)
        making: list[str] = []

        def interrupt(text: str) -> None:
            if not making and (told := re.search("At work for [0-9]+ s: (.*install.*)</p>", text)):
                making.append(told[1])
                one.interrupt()

        told = one.run(chapter[packages], seen=interrupt)
        assert making, one.shown
        assert told.startswith("StepInterrupted: debian12 goes on by itself with what was begun: ")
        assert "runbook status --host debian12" in told
        assert "At work for" not in told
        data = Record.open(record).data
        assert (data.outcome, data.changes_made) == ("interrupted", 0)
        assert data.undo == f"runbook rollback {run} --host debian12"
    until_nothing_is_at_work(lab)
    with stepped.kernel(**environment) as one:
        shown = {cell: one.run(cell) for cell in chapter[:-1]}
        assert "Packages: nothing to do." in shown[chapter[packages - 1]]
        assert (
            "changes made" in shown["chapter.apply(services)"]
            or "change made" in shown["chapter.apply(services)"]
        )
        before = Record.open(record).data
        again = one.run("chapter.apply(services)")
        assert "this plan was carried out already, nothing was made again" in again
        one.run("services = chapter.plan_services()")
        assert "already so, nothing was made" in one.run("chapter.apply(services)")
        one.run("chapter.ask(probes.ports_reached)")
        summary = one.run(chapter[-1])
    after = Record.open(record).data
    assert after.outcome == "passed"
    assert (after.changes_made, after.count("pass")) == (before.changes_made, before.count("pass"))
    rows = sum(len(step.rows) for step in after.verifications)
    assert f"{rows} pass" in summary
    assert f"runbook rollback {run} --host debian12" in summary
    assert f"{record}; saving this notebook attaches it" in summary
    assert after.summary is not None
    assert run not in after.summary


def until_nothing_is_at_work(lab: Lab) -> None:
    """What an interruption left to the host is made."""
    deadline = time.monotonic() + 300
    while lab.exec("debian12", "flock -n /run/runbook.work true && echo free || echo busy") != b"free\n":
        assert time.monotonic() < deadline
        time.sleep(0.5)
