"""Only parameters that a chapter has, each of its type, and never a secret."""

import json
from pathlib import Path

import pytest
from fake_chapters import OPEN, PASSWORD, SUMMARY, WHOLE, run_batch, write_chapter

from runbook_lib.batch.notebooks import find_notebooks
from runbook_lib.batch.parameters import Value, given_parameters
from runbook_lib.errors import InventoryError, SecretInParameter, UsageError


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    return tmp_path / "records"


def test_a_chapter_gets_what_it_has_a_parameter_for(tmp_path: Path, records: Path) -> None:
    show = "record.add_note(repr((inventory, host, mode, reason, key_bits)))"
    chapters = {"11-key": (OPEN, show, SUMMARY)}
    result = run_batch(tmp_path, ["mail1"], chapters, reason="MAIL-1", parameters=[("key_bits", "3072")])
    told = json.loads((records / result.run / "mail1" / "11-key.json").read_text(encoding="utf-8"))
    site = str(tmp_path / "site.yaml")
    assert told["steps"] == [{"kind": "note", "text": repr((site, "mail1", "apply", "MAIL-1", 3072))}]


def test_a_parameter_goes_only_to_the_chapters_that_have_it(tmp_path: Path) -> None:
    write_chapter(tmp_path, "11-key", *WHOLE)
    other = write_chapter(tmp_path, "12-sign", *WHOLE)
    other.write_text(
        other.read_text(encoding="utf-8").replace("key_bits: int", "valid_days: int"), encoding="utf-8"
    )
    found = find_notebooks(tmp_path)
    given = given_parameters([("key_bits", "3072"), ("valid_days", "90")], found)
    assert given == {"11-key": {"key_bits": 3072}, "12-sign": {"valid_days": 90}}


@pytest.mark.parametrize(
    ("declared", "typed", "value"),
    [
        ("x: int = 1", "3072", 3072),
        ("x: str = ''", "2027-01-01", "2027-01-01"),  # a date stays the text that it is
        ("x: str = ''", "3072", "3072"),
        ("x: bool = False", "true", True),
        ("x: float = 0.5", "1.5", 1.5),
        ("x = 'a'", "b", "b"),
    ],
)
def test_a_value_has_the_type_that_its_cell_declares(
    declared: str, typed: str, value: Value, tmp_path: Path
) -> None:
    path = write_chapter(tmp_path, "11-key", *WHOLE)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][1]["source"] = [declared]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert given_parameters([("x", typed)], find_notebooks(tmp_path)) == {"11-key": {"x": value}}


@pytest.mark.parametrize("typed", ["2048 bits", "2027-01-01", "1e2", ""])
def test_a_value_of_another_type_is_bad_usage(typed: str, tmp_path: Path, records: Path) -> None:
    with pytest.raises(UsageError, match="not of type int") as refusal:
        run_batch(tmp_path, ["mail1"], {"11-key": WHOLE}, parameters=[("key_bits", typed)])
    assert refusal.value.where == "parameter key_bits of 11-key"
    assert not records.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sudo_password", "x"),
        ("PASSPHRASE", "x"),
        ("api_token", "x"),
        ("private_key", "x"),
        ("pw", "x"),
        ("client_secrets", "x"),
        ("key_bits", "-----BEGIN PRIVATE KEY-----"),
        ("note", "$6$c2FsdHNhbHQ$0123456789abcdefghijABCDEFGHIJ"),
    ],
)
def test_what_is_shaped_like_a_secret_is_refused_before_anything_is_written(
    name: str, value: str, tmp_path: Path, records: Path
) -> None:
    with pytest.raises(SecretInParameter, match="Nothing was written") as refusal:
        run_batch(tmp_path, ["mail1"], {"11-key": WHOLE}, parameters=[(name, value)])
    assert refusal.value.exit_code == 2
    assert name == "pw" or value == "x" or value not in str(refusal.value)
    assert not records.exists()


def test_a_reason_that_holds_a_secret_is_refused(tmp_path: Path, records: Path) -> None:
    with pytest.raises(SecretInParameter):
        run_batch(tmp_path, ["mail1"], {"11-key": WHOLE}, reason="-----BEGIN RSA PRIVATE KEY-----")
    assert not records.exists()


def test_a_password_of_the_inventory_is_no_reason_and_no_parameter(tmp_path: Path, records: Path) -> None:
    """It has no shape; but where it is said, so it is known before anything is written."""
    for given in ({"reason": f"with {PASSWORD}"}, {"parameters": [("key_bits", PASSWORD)]}):
        with pytest.raises(SecretInParameter) as refusal:
            run_batch(tmp_path, ["mail1"], {"11-key": WHOLE}, **given)
        assert PASSWORD not in str(refusal.value)
    assert not records.exists()


@pytest.mark.parametrize("name", ["key_bits", "key_type", "bypass", "passes", "spinning", "keyring"])
def test_words_of_the_trade_are_no_secrets(name: str, tmp_path: Path) -> None:
    write_chapter(tmp_path, "11-key", *WHOLE)
    notebooks = find_notebooks(tmp_path)
    if name == "key_bits":
        assert given_parameters([(name, "3072")], notebooks) == {"11-key": {"key_bits": 3072}}
    else:
        with pytest.raises(UsageError, match="no chapter that runs has such a parameter"):
            given_parameters([(name, "x")], notebooks)


@pytest.mark.parametrize(
    ("name", "option"), [("host", "--host"), ("mode", "plan or apply"), ("reason", "--reason")]
)
def test_what_has_an_option_of_its_own_is_given_by_it(name: str, option: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"use {option}"):
        run_batch(tmp_path, ["mail1"], {"11-key": WHOLE}, parameters=[(name, "x")])


def test_a_notebook_without_a_parameters_cell_is_bad_usage(tmp_path: Path, records: Path) -> None:
    write_chapter(tmp_path / "notebooks", "12-sign", *WHOLE, tags=("parameter",))
    with pytest.raises(UsageError, match="0 cells tagged 'parameters'"):
        run_batch(tmp_path, ["mail1"], {"11-key": WHOLE})
    assert not records.exists()


def test_an_order_that_cannot_be_carried_out_is_told_before_anything_runs(
    tmp_path: Path, records: Path
) -> None:
    def order(**given: object) -> None:
        run_batch(tmp_path, ["mail1"], {"11-key": WHOLE, "12-sign": WHOLE}, **given)  # type: ignore[arg-type]

    with pytest.raises(InventoryError, match="there is no host mail9"):
        order(only_on=["mail9"])
    with pytest.raises(UsageError, match="there is no chapter '30'"):
        order(only="30")
    with pytest.raises(UsageError, match="more than one chapter"):
        order(start="1")
    with pytest.raises(UsageError, match="--workers"):
        order(workers=0)
    with pytest.raises(UsageError, match="needs a reason"):
        order(production=True)
    assert not records.exists()
