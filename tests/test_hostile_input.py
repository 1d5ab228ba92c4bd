"""Whatever is parsed, hostile or broken: a result that may be shown, or one clear refusal; never a trace.

`make fuzz` tries 10,000 inputs and more for each target. Here are a few of each, the same at every run, and all that
was ever found.
"""

import json
import re
from pathlib import Path

import pytest
from fuzz import SEEDS, by_grammar, keep
from hostile import ACTS, Target, check_refusal, check_shown
from hostile_inputs import EVIL, GOOD_INVENTORY
from hostile_targets import TARGETS
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lab.state import CHECKOUT
from runbook_lib import display, inventory
from runbook_lib.errors import InventoryError, RunbookError, UsageError
from runbook_lib.visible import visible, visible_json

INPUTS = 80
FOUND = sorted(path for path in SEEDS.glob("*/*"))


@pytest.mark.parametrize("name", TARGETS)
def test_nearly_right_input_is_taken_or_clearly_refused(name: str) -> None:
    target = TARGETS[name]
    answers: set[str] = set()

    @settings(
        max_examples=INPUTS,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def run(content: bytes) -> None:
        answers.add(target.judge(content))

    run()
    assert len(answers) >= 2, "the inputs all end at the same place: they are not nearly right"


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_told_as_it_should_be(path: Path) -> None:
    TARGETS[path.parent.name].judge(path.read_bytes())


def test_every_folder_of_what_was_found_is_a_targets() -> None:
    assert {path.parent.name for path in FOUND} <= TARGETS.keys()
    assert len(FOUND) > 20


def test_the_document_names_every_target() -> None:
    page = (CHECKOUT / "docs" / "hostile-input.md").read_text()
    table = page.partition("| of | targets |\n")[2].partition("\n\n")[0]
    assert sorted(re.findall("`([^`]+)`", table)) == sorted(TARGETS)


def test_a_trace_in_a_target_is_a_finding_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fuzzer itself, with a parser that has a fault: its input is counted, named and written down."""

    def take(content: bytes) -> bool:
        if content.startswith(b"b"):
            return bool(content[9])
        raise UsageError("x", "y", "z")

    monkeypatch.setattr("fuzz.SEEDS", tmp_path)
    target = Target("faulty", take, st.sampled_from((b"a", b"b", b"bbb")))
    count = by_grammar(target, 20)
    assert count.answers["refused: UsageError x"] == 1
    assert count.answers["finding"] == 2
    told = keep(target, count)
    assert len(told) == 1
    assert "IndexError at test_hostile_input.py" in told[0]
    assert [path.read_bytes() for path in (tmp_path / "faulty").iterdir()] == [b"b"]


@pytest.mark.parametrize("text", EVIL, ids=ascii)
def test_what_acts_is_spelled_out_and_what_is_seen_stays(text: str) -> None:
    """A banner, a subject, a comment, in every form in which a cell, a page or a terminal shows it."""
    shown = [
        display.Table((text,), [(text,)], caption=text),
        display.Text(text),
        display.Diff(f"--- a\n+{text}\n"),
        display.Folded(text, text),
        display.Parts([display.Text(text)]),
    ]
    check_shown(*shown)
    for one in shown:
        assert "<img" not in one.html()
    check_refusal(RunbookError(f"said {text}", f"mail1, {text}", f"look at {text}"))
    assert visible(text) == text or ACTS.search(text)


def test_japanese_blanks_and_tabs_are_no_danger() -> None:
    text = "メール　サーバ\t設定\né ½ 😀"
    assert visible(text) == text


def test_spelled_as_python_and_json_spell_it() -> None:
    assert visible("\x1b[2J\u202e\x7f\U000e0001") == "\\x1b[2J\\u202e\\x7f\\U000e0001"
    document = {"seen": "\x1b\x7f\x9b\u202e\U000e0001メ"}
    assert json.loads(visible_json(document)) == document
    assert not ACTS.search(visible_json(document))
    assert "メ" in visible_json(document)


def refused(text: str, folder: Path) -> str:
    """What is said about an inventory that is not taken."""
    path = folder / "site.yaml"
    path.write_text(text)
    with pytest.raises(InventoryError) as caught:
        inventory.load(path)
    check_refusal(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


# YAML that means a value of another type than a person saw in it.
@pytest.mark.parametrize("value", ["2027-01-01", "2027-01-01T10:00:00Z", "0587", "1e2", "9" * 5000])
@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("site.name", "  name: Example"),
        ("defaults.user", "  user: kanri"),
        ("hosts.mail1.names.smtp", "      smtp: mail.example.test"),
    ],
)
def test_a_date_or_an_odd_number_is_refused_with_its_field_and_line(
    field: str, line: str, value: str, tmp_path: Path
) -> None:
    told = refused(GOOD_INVENTORY.replace(line, f"{line.split(':')[0]}: {value}"), tmp_path)
    number = GOOD_INVENTORY.split("\n").index(line) + 1
    assert re.search(rf"site\.yaml:{number}:\d+: {re.escape(field)} ", told), told
    assert len(told) < 1000


def test_aliases_that_make_billions_of_a_few_lines_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "aliases make more than 50000 values" in refused(
        "\n".join(lines) + "\n" + GOOD_INVENTORY, tmp_path
    )


def test_blocks_without_end_are_refused(tmp_path: Path) -> None:
    assert "nested too deeply" in refused("[" * 1_000, tmp_path)


def test_an_anchor_that_is_there_twice_is_refused_without_its_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """ruamel would warn of it, with the line, and a secret may stand in that."""
    told = refused("x: &a hunter2\ny: &a hunter2\n" + GOOD_INVENTORY, tmp_path)
    assert "site.yaml:2:" in told
    assert "hunter2" not in told + capfd.readouterr().err
