"""The RPMs are built once: a second call makes nothing, and a change makes anew what it is read by, and no more."""

import shutil
from pathlib import Path

import pytest

from lab import el_packages
from lab.podman import inspect


@pytest.mark.parametrize("kind", el_packages.KINDS)
def test_a_second_call_makes_nothing(kind: str) -> None:
    tag = el_packages.repository(kind, lambda _: None)
    before = inspect("image", tag)[0]["Id"]
    told: list[str] = []
    assert el_packages.repository(kind, told.append) == tag
    assert told == []
    assert inspect("image", tag)[0]["Id"] == before


@pytest.mark.parametrize("kind", el_packages.KINDS)
@pytest.mark.parametrize(
    ("changed", "stays"),
    [
        ("tools.sh", []),
        ("cyrus-sasl.spec", ["tools"]),
        ("postfix.spec", ["tools", "cyrus-sasl"]),
        ("postfix/main.cf.tls", ["tools", "cyrus-sasl"]),
        ("sendmail/smtp.sendmail", ["tools", "cyrus-sasl", "postfix"]),
        ("macros", ["tools"]),
    ],
)
def test_a_changed_file_makes_its_step_and_those_above_anew(
    kind: str, changed: str, stays: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is built twice for a change that it does not read."""

    def tags() -> dict[str, str]:
        steps = (el_packages._TOOLS, el_packages._SASL, el_packages._POSTFIX, el_packages._REPOSITORY)
        return {step.name: el_packages._tag(step, kind) for step in steps}

    before = tags()
    recipes = Path(shutil.copytree(el_packages._RECIPES, tmp_path / "el"))
    monkeypatch.setattr(el_packages, "_RECIPES", recipes)
    assert tags() == before
    with (recipes / changed).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert [name for name, tag in tags().items() if tag == before[name]] == stays


def test_the_kinds_share_all_but_postfix() -> None:
    for step in (el_packages._TOOLS, el_packages._SASL):
        assert el_packages._tag(step, "el9") == el_packages._tag(step, "el10")
    for step in (el_packages._POSTFIX, el_packages._REPOSITORY):
        assert el_packages._tag(step, "el9") != el_packages._tag(step, "el10")
