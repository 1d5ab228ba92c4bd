"""What people read can be said in each language: the catalogues have all of it, whole, and say what the code says."""

import ast
import io
import json
import string
from pathlib import Path

import pytest
import sample_record
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from runbook_lib import display
from runbook_lib.messages import joined, message
from runbook_lib.messages.speech import CATALOGUES, ENGLISH, languages, said, speaking
from runbook_lib.records import Record, index, pages
from runbook_lib.records.model import Made

LIBRARY = Path(__file__).parents[1] / "runbook_lib"
OTHERS = [language for language in languages() if language != ENGLISH]
# As `make messages` reads the library: pyproject.toml, [tool.babel].
_READ_BY = [("**.py", "python"), ("**.j2", "jinja2")]


def catalogue(language: str) -> Catalog:
    with (CATALOGUES / language / "LC_MESSAGES" / "runbook.po").open("rb") as file:
        return read_po(file, locale=language)


def translated(language: str) -> list[Message]:
    return [one for one in catalogue(language) if one.id]


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@pytest.fixture(scope="module")
def extracted() -> set[str]:
    found = extract_from_dir(LIBRARY, _READ_BY, keywords={"message": None, "Said": (1,)}, comment_tags=())
    return {str(words) for _, _, words, _, _ in found}


@pytest.mark.parametrize("language", OTHERS)
def test_the_catalogue_has_what_the_code_says_and_nothing_else(language: str, extracted: set[str]) -> None:
    """To do when red: make messages."""
    assert {str(one.id) for one in translated(language)} == extracted


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_read_is_what_was_translated(language: str) -> None:
    """To do when red: make messages."""
    compiled = io.BytesIO()
    write_mo(compiled, catalogue(language))
    assert (CATALOGUES / language / "LC_MESSAGES" / "runbook.mo").read_bytes() == compiled.getvalue()


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_left_untranslated(language: str) -> None:
    assert [one.id for one in translated(language) if not one.string or one.fuzzy] == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_fields_of_its_template(language: str) -> None:
    both = [(str(one.id), str(one.string)) for one in translated(language) if one.string]
    assert [pair for pair in both if fields(pair[0]) != fields(pair[1])] == []


@pytest.mark.parametrize("language", OTHERS)
def test_no_translation_breaks_an_attribute_of_a_page(language: str) -> None:
    """Nor does it act there. The pages for users escape what they say; nothing of them stands in an attribute."""
    plain = [
        one
        for one in translated(language)
        if not set('<>&"') & set(str(one.id)) and "/clients/" not in one.locations[0][0]
    ]
    assert [one.string for one in plain if set('<>&"') & set(str(one.string))] == []


def test_what_is_said_in_both_languages_is_so_in_the_catalogue() -> None:
    """The pages for users bring their Japanese along; what is shown of them in a notebook is from the catalogue."""
    there = {one.id: one.string for one in translated("ja")}
    seen = 0
    for path in sorted(LIBRARY.glob("clients/*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Said":
                english, japanese = (ast.literal_eval(one) for one in call.args[:2])
                assert there[english] == japanese, path
                seen += 1
    assert seen > 100


def test_every_template_formats(extracted: set[str]) -> None:
    """How a number is written is decided before, so that a record can keep it as text; pictures have columns."""
    for template in extracted:
        for _, name, form, conversion in string.Formatter().parse(template):
            assert name is None or name.isidentifier(), template
            assert not form or form.startswith("<"), template
            assert not conversion, template
        assert template.format_map(dict.fromkeys(fields(template), "x"))


def test_a_template_stands_where_it_is_said() -> None:
    """Whatever is computed could not be found, and would stay English."""
    for path in sorted(LIBRARY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "message":
                assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}"
                assert isinstance(node.args[0].value, str), f"{path}:{node.lineno}"


@pytest.mark.parametrize("language", OTHERS)
def test_a_message_is_said_with_all_that_stands_in_it(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"1 change": "変更1件", "{changes} made": "{changes}を実施"}
    monkeypatch.setattr("runbook_lib.messages.speech._catalogue", lambda _: _Words(words))
    told = joined("; ", (message("{changes} made", changes=message("1 change")), "main.cf"))
    assert told == "1 change made; main.cf"
    assert said(told, language) == "変更1件を実施。main.cf"
    with speaking(language):
        assert said(told) == "変更1件を実施。main.cf"
    assert said(told) == told


@pytest.mark.parametrize("words", ["済みです。", "済み"])
def test_texts_that_are_joined_are_parted_as_the_language_does(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place of the inventory keeps its comma: that is typed."""
    monkeypatch.setattr("runbook_lib.messages.speech._catalogue", lambda _: _Words({"done": words}))
    assert said(joined("; ", (message("done"), "main.cf")), "ja") == f"{words.removesuffix('。')}。main.cf"
    assert said(joined(", ", ("main.cf", message("done"))), "ja") == f"main.cf, {words}"


class _Words:
    def __init__(self, words: dict[str, str]) -> None:
        self._words = words

    def gettext(self, text: str) -> str:
        return self._words.get(text, text)


def test_a_record_keeps_how_its_texts_were_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In English it is what it was; a page in another language is made from the same data."""
    words = {"{n} files": "{n}個のファイル", "Note: {what}.": "備考：{what}。", "changed": "変更"}
    monkeypatch.setattr("runbook_lib.messages.speech._catalogue", lambda _: _Words(words))
    record = Record.begin(
        tmp_path,
        sample_record.RUN,
        "mail1",
        "20-postfix-debian",
        facts={},
        title="2 Postfix",
        **sample_record.COMMON,  # type: ignore[arg-type]
    )
    note = message("Note: {what}.", what=message("{n} files", n=2))
    record.add_note(note)
    with speaking("ja"):
        record.finish("passed", display.Table(("", ""), [(message("changed"), note)]))
    kept = json.loads(record.path.read_bytes())
    assert kept["steps"] == [{"kind": "note", "text": "Note: 2 files."}]
    assert "changed  Note: 2 files." in kept["summary"]
    assert kept["messages"]["Note: 2 files."] == {
        "template": "Note: {what}.",
        "fields": {"what": {"template": "{n} files", "fields": {"n": "2"}}},
    }
    found = index.read_run(tmp_path / sample_record.RUN)
    (entry,) = found.entries
    assert "備考：2個のファイル。" in pages.chapter_page(entry, found, "ja")
    assert "<dt>変更</dt>" in pages.chapter_page(entry, found, "ja")
    assert "Note: 2 files." in pages.chapter_page(entry, found)


ALTERED = {
    "another text": {"template": "other", "fields": {}},
    "no such field": {"template": "{a}", "fields": {}},
    "reaches in": {"template": "{a.__class__}", "fields": {"a": "x"}},
    "as wide as memory": {"template": "{a:99999999999}", "fields": {"a": "x"}},
    "no template": {"template": "{", "fields": {}},
}


@pytest.mark.parametrize("altered", ALTERED)
def test_what_somebody_altered_stays_text(altered: str) -> None:
    assert type(Made.model_validate(ALTERED[altered]).again("a text")) is str


def test_what_grows_with_each_level_is_not_made() -> None:
    grown: dict[str, object] = {"template": "x", "fields": {}}
    for _ in range(60):
        grown = {"template": "{a}{a}", "fields": {"a": grown}}
    assert type(Made.model_validate(grown).again("a text")) is str


def test_text_without_blanks_is_narrowed() -> None:
    """Beside each wide character a line may end, but not before a mark that closes."""
    text = "サーバの秘密鍵は、rootだけが読める（ほかの人は読めない）。"
    table = display.Table(("", ""), [("mail.example.jp", text)]).fitted(40)
    lines = [line[17:].strip() for line in table.splitlines()]
    assert "".join(lines).strip("-") == text
    assert all(display.text_width(line) <= 40 for line in table.splitlines())
    assert not any(line.startswith(("、", "。", "）")) for line in lines)
