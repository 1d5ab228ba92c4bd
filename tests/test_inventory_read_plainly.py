"""A plain inventory is read in a shorter way: it says the same as the longer one, or nothing."""

import importlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_chapters import write_inventory
from hostile_host import same_either_way
from hostile_inputs import GOOD_INVENTORY, bent, encoded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_inventory_loads import MINIMAL
from test_inventory_refuses import SOUND, WRONG

from lab.state import CHECKOUT
from runbook_lib import inventory
from runbook_lib.errors import InventoryError
from runbook_lib.inventory import plain, refusals, source
from runbook_lib.inventory.models import Host

PLAIN = {
    "blocks": ("a:\n  b: 1\n  c: x\nd: y\n", {"a": {"b": 1, "c": "x"}, "d": "y"}),
    "a mark at the beginning": ("# of ours\n\n---\na: 1\n", {"a": 1}),
    "a byte order mark": ("\ufeffa: 1\n", {"a": 1}),
    "no last line end": ("a:\n    b: 1", {"a": {"b": 1}}),
    "comments": (
        "# one\na: x # two\n  # three\nb: #four\n  c: y#z  \n#\n",
        {"a": "x", "b": {"c": "y#z"}},
    ),
    "what is empty": (
        "a:\nb: ~\nc: null\nd: {}\ne: []\nf: ''\n",
        {"a": None, "b": None, "c": None, "d": {}, "e": (), "f": ""},
    ),
    "true and false of YAML 1.2": (
        "a: true\nb: False\nc: yes\nd: off\n",
        {"a": True, "b": False, "c": "yes", "d": "off"},
    ),
    "numbers": ("a: 22\nb: 0\n", {"a": 22, "b": 0}),
    "what is no number": ("a: 192.0.2.25\nb: 1.2.3\nc: 4d\n", {"a": "192.0.2.25", "b": "1.2.3", "c": "4d"}),
    "texts": (
        "a: file:~/x y (z), [1] & \"2\"\nb: env:A:B\nc: 'it''s: # '\nd: \"x' # y\"\n",
        {"a": 'file:~/x y (z), [1] & "2"', "b": "env:A:B", "c": "it's: # ", "d": "x' # y"},
    ),
    "another script": ("a: メール.example.jp # 本番\nb: \"　x\"\n", {"a": "メール.example.jp", "b": "　x"}),
    "in braces and brackets": (
        "a: {b: 1, c: {d: 'x, y', e: [p, \"q\", 2]}, f: 'file:~/z'} # g\nh: [ ]\n",
        {"a": {"b": 1, "c": {"d": "x, y", "e": ("p", "q", 2)}, "f": "file:~/z"}, "h": ()},
    ),
    "in braces over several lines": (
        "a: {b: x, # c\n  d,\n}\ne: [f: 1]\n",
        {"a": {"b": "x", "d": None}, "e": ({"f": 1},)},
    ),
    "a list below": ("a:\n  - x\n  - [1, 2]\nb: 1\n", {"a": ("x", (1, 2)), "b": 1}),
    "a list as deep as its key": ("a:\n- x\n-   y\nb: 1\n", {"a": ("x", "y"), "b": 1}),
    "a list of blocks": (
        "a:\n  - b: 1\n    c:\n      d: x\n    e:\n    - f\n  - b: 2\ng: 3\n",
        {"a": ({"b": 1, "c": {"d": "x"}, "e": ("f",)}, {"b": 2}), "g": 3},
    ),
    "a list alone": ("- a\n- b: 1\n", ("a", {"b": 1})),
    "a list in a list": ("- - a\n  - b\n-\n  c\n", (("a", "b"), "c")),
    "a text alone": ("x\n", "x"),
    "a value below its key": ("a:\n  x\n", {"a": "x"}),
    "keys of other forms": (
        "'a': 1\nb : 2\n? c\n: -3\n" + "d" * 200 + ": 4\n",
        {"a": 1, "b": 2, "c": -3, "d" * 200: 4},
    ),
    "a comment without a space before it": ("a: 'x'#y\nb: [x]#y\n", {"a": "x", "b": ("x",)}),
    "signs inside of a text": ("a: x & y!\nb: \"x&y\" # & *z\n", {"a": "x & y!", "b": "x&y"}),
    "nothing": ("\n# nothing\n", None),
}  # fmt: skip
NOT_PLAIN = (
    "a: &x 1", "a: *x", "a: &x 1\nb: *x", "a: [&x 1, *x]", "a: {&x b: 1}", "a: !!str 1", "a: ! 1", "a: [!x 1]",
    "<<: {a: 1}", "a: |\n  x", "a: >\n  x", "a: |#x", "a: |-", "a: x\n  y", "a: 'x\n  y'", "'a\n b': 1",
    'a: "x\\ty"', 'a: "\\ud800"', "a: x\\y", "a:\tx", "a: x\r\nb: y", "a: x\u2028b: y", "a: \ufeffx",
    "%YAML 1.1\n---\na: yes", "%YAML 1.1\n---\na: 1", "a: 1\n---\nb: 2", "a: 1\n...", "--- a", "--- {a: 1}",
    "a: {b:1}", "a: {b: file:~/x}", "a: {b: 2001:db8::1}", 'a: ["b":1]', "a: {'b':1}", "a: {b: 1}}", "a: [1, 2",
    "a: 'x' y", "a: b: c", "a: -", "a: - x", "a: @x", "a: `x", "1: x", "true: x", "null: x", "0x1: x", "[a]: x",
    "? |\n  a\n: 1",
    "a: 0587", "a: 1e2", "a: 1.5", "a: 2027-01-15", "a: .inf", "a: =", "a: 9999999999999999999", "a: 1\na: 2",
    "a: {b: 1, b: 2}", "a: {b: 0587}", "a: {1: x}", " a: 1\nb: 2", "a:\n    b: 1\n  c: 2", "a: 1\n  b: 2",
    "a:\n  - x\n  b: 1", "- a\nb: 1", "a:\n- b\n - c", "a: {b: 'x}", "a: " + "[" * 40 + "]" * 40, "- " * 40 + "a",
    "\n".join(f"{' ' * level}a:" for level in range(40)), "a: " + "{b: " * 40 + "1" + "}" * 40, "a" * 2000 + ": 1",
)  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_file_is_read(name: str) -> None:
    text, values = PLAIN[name]
    assert plain.read(text.encode()) == values
    same_either_way(text.encode())


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_any_other_is_left_to_who_reads_everything(text: str) -> None:
    for content in (text.encode(), f"{text}\n".encode()):
        with pytest.raises(plain.NotPlain):
            plain.read(content)


def test_as_deep_as_a_file_of_megabytes_can_be_is_not_plain() -> None:
    """The parser in C calls itself for each level: it would end the process."""
    for text in ("[" * 200_000, "a: " + "{a: " * 200_000, "- " * 200_000):
        with pytest.raises(plain.NotPlain):
            plain.read(text.encode())


def test_without_the_parser_in_c_the_same_is_read() -> None:
    """It is not to be had for every platform."""
    without = (
        "import sys\nsys.modules['_ruamel_yaml'] = None\n"
        "from runbook_lib import inventory\nfrom runbook_lib.inventory import plain\n"
        "print(inventory.load('inventory/example.yaml').hosts)\n"
        "try:\n    plain.read(b'a: 1')\nexcept plain.NotPlain:\n    print('not plain')\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", without], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout
    assert said == f"{inventory.load(CHECKOUT / 'inventory' / 'example.yaml').hosts}\nnot plain\n"


def test_what_is_no_utf_8_is_not_plain() -> None:
    with pytest.raises(plain.NotPlain):
        plain.read(b"a: caf\xe9\n")


@pytest.mark.parametrize(
    "content",
    [
        *(path.read_bytes() for path in sorted((CHECKOUT / "inventory").glob("*.yaml"))),
        *(text.encode() for text in (MINIMAL, SOUND, GOOD_INVENTORY)),
        *(SOUND.replace(row[1], row[2], 1).encode() for row in WRONG),
    ],
)
def test_both_ways_say_the_same_of_inventories(content: bytes) -> None:
    same_either_way(content)


def test_the_example_is_plain_however_much_of_it_is_used() -> None:
    example = (CHECKOUT / "inventory" / "example.yaml").read_text()
    assert plain.read(example.encode())["hosts"]["mail1"]["names"]["pop"] == "pop.example.jp"
    opened = "\n".join(line.replace("# ", "", 1) if ": " in line else line for line in example.split("\n"))
    same_either_way(opened.encode())


_scalars = st.sampled_from(
    ["x", "22", "-1", "0587", "true", "no", "~", "null", "env:A", "a b", "a: b", "a #b", "a#b", "'x'", "'it''s'", "''",
     '"x # y"', '"a\\nb"', "'", '"', "[]", "{}", "[a, b]", "[a,b]", "{a: 1}", "{a: [1, {b: x}], c: 'y'}", "{a: 1",
     "[a", "{a:1}", "{a: }", "[a: 1]", "[a, ]", "{a, b}", "{a: b:c}", "[-1, 'x', env:A]", "[? a]", "[a b, c]", "- x",
     "|", ">", "&x 1", "*x", "!t 1", "@", "%", "メール", "\u3000", "\xa0x", "2027-01-15", "1.5", "192.0.2.1", "::1",
     "2001:db8::1", "a:", ":a", "?", "? a", "-", "--", "---", "...", "a?", "[a?b]", "{a?: 1}", "x'y", "x]", "[x]]", "=",
     "<<", "a, b", '["a":1]', "{'a':1}", "[!t x]", "[&x a, *x]", "! x", "|#x", "\\x", '"\\/"', "{a: env:A}", "x\n   y"]
)  # fmt: skip
_keys = st.sampled_from(
    ["a", "b", "c", "mail1", "x-y", "1", "true", "a b", "'a'", "<<", "", "a:b", "-a", "?"]
)
_lines = st.builds(
    lambda indent, dash, key, value, comment: f"{' ' * indent}{dash}{key}{value}{comment}",
    st.sampled_from((0, 0, 0, 2, 2, 2, 4, 4, 1, 3)),
    st.sampled_from(("", "", "", "", "- ", "-   ", "-")),
    st.one_of(st.just(""), _keys.map("{}: ".format), _keys.map("{}:".format), _keys.map("{}:   ".format)),
    st.one_of(st.just(""), _scalars),
    st.sampled_from(("", "", "", " # c", "#c", "  ", " #", "\t")),
)
_of_lines = st.lists(_lines, max_size=7).map("\n".join)


@st.composite
def _rendered(draw: st.DrawFn, indent: int = 0, depth: int = 0) -> list[str]:
    """Lines of a block as a person may write it: keys, lists, what is in one line, comments and blank lines between."""
    lines = []
    for key in draw(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=4, unique=True)):
        lines += draw(st.sampled_from([[], [], [], [""], [f"{' ' * (indent + 1)}# {key}: x"]]))
        head = f"{' ' * indent}{key}:"
        kind = (
            draw(st.sampled_from(("scalar", "scalar", "block", "list", "blocks"))) if depth < 3 else "scalar"
        )
        deeper = indent + draw(st.integers(1, 3))
        if kind == "scalar":
            lines.append(f"{head} {draw(_scalars)}")
        elif kind == "block":
            lines += [head, *draw(_rendered(deeper, depth + 1))]
        else:
            at = draw(st.sampled_from((indent, deeper)))
            lines.append(head)
            for _ in range(draw(st.integers(1, 2))):
                if kind == "list":
                    lines.append(f"{' ' * at}- {draw(_scalars)}")
                else:
                    first, *more = draw(_rendered(at + 2, depth + 1))
                    lines += [f"{' ' * at}- {first[at + 2 :]}", *more]
    return lines


_blocks = _rendered().map("\n".join)
_read = {True: 0, False: 0}


@settings(
    max_examples=1500, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(st.one_of(_of_lines, _blocks, _blocks))
def _try(text: str) -> None:
    _read[same_either_way(encoded(text))] += 1


def test_both_ways_say_the_same_of_whatever_is_nearly_plain() -> None:
    _try()
    assert _read[True] > 100, _read  # so many were plain
    assert _read[False] > 100, _read


@settings(
    max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(bent(_blocks.map(encoded)))
def test_both_ways_say_the_same_of_a_file_that_is_damaged(content: bytes) -> None:
    same_either_way(content)


def test_many_hosts_are_read_the_shorter_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_inventory(tmp_path, *(f"mail{number}" for number in range(200)))
    longer = source.read(path.read_bytes()).data

    def never(_: bytes) -> source.Source:
        raise AssertionError("it is read the longer way")

    monkeypatch.setattr(importlib.import_module("runbook_lib.inventory.load"), "read", never)
    book = inventory.load(path)
    assert list(book.hosts) == list(longer["hosts"])
    assert book.host("mail199").names.smtp == "mail199.example.test"


def lines_of(path: Path) -> Sequence[str]:
    with pytest.raises(InventoryError) as refused:
        inventory.load(path)
    return refused.value.problem.split("\n")[1:]


def test_what_is_wrong_in_a_plain_file_is_told_with_its_place(tmp_path: Path) -> None:
    path = write_inventory(tmp_path, "mail1", "mail2")
    path.write_text(
        path.read_text().replace("    address: 192.0.2.1\n", "    address: 192.0.2.1\n    port: 70000\n")
    )
    plain.read(path.read_bytes())
    (told,) = lines_of(path)
    assert told.startswith(
        f"  {path}:16:11: hosts.mail2.port is 70000, a number; expected a whole number from 1 "
    )


def test_what_is_expected_is_looked_up_once_for_all_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    schema = Host.model_json_schema

    def looked_up() -> dict[str, Any]:
        asked.append(1)
        return schema()

    monkeypatch.setattr(Host, "model_json_schema", looked_up)
    refusals._schema.cache_clear()
    path = write_inventory(tmp_path, *(f"mail{number}" for number in range(30)))
    path.write_text(path.read_text().replace("production: false", "production: 1"))
    assert len(lines_of(path)) == 30
    assert len(asked) == 1
