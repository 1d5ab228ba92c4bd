"""`up --image HOST=IMAGE`: a true CentOS Stream or Rocky instead of the layout. No registry is asked here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.__main__ import true_images
from lab.host_images import image_tag
from lab.recipes import STATES
from lab.releases import RELEASES
from lab.state import CHECKOUT, State
from lab.true_images import on_true_image, releases
from runbook_lib.errors import LabError

IMAGE = "quay.io/centos/centos:stream9"


def test_the_option_is_read_as_host_and_image() -> None:
    assert true_images(["el9=quay.io/centos/centos:stream9", "el10=docker.io/rockylinux:10"]) == {
        "el9": IMAGE,
        "el10": "docker.io/rockylinux:10",
    }
    for word in ("el9", "el9=", "=image", "el9=a=b", "el9=a b"):
        with pytest.raises(LabError, match="is not HOST=IMAGE"):
            true_images([word])


def test_a_true_image_is_taken_as_it_is() -> None:
    """The same names and addresses; no layout, no Debian, no packages of the lab's own."""
    true, layout = on_true_image("el9", IMAGE), RELEASES["el9"]
    assert (true.name, true.number, true.family, true.hostname) == (
        layout.name, layout.number, layout.family, layout.hostname,
    )  # fmt: skip
    assert true.registry_image == IMAGE
    assert (layout.recipe.stands_in, true.recipe.stands_in) == (True, False)
    assert (true.recipe.label, true.recipe.layout, true.suite) == ("", None, None)
    assert tuple(true.recipe.states) == STATES
    scripts = "".join(state.script for state in true.recipe.states.values())
    assert "dnf -q -y install postfix" in scripts
    for of_the_stand_in in ("apt", "/run/lab", "ellab"):
        assert of_the_stand_in not in scripts
    tags = {
        image_tag(each, "bare") for each in (true, layout, on_true_image("el9", "docker.io/rockylinux:9"))
    }
    assert len(tags) == 3


@pytest.mark.parametrize("name", ["debian12", "nobody"])
def test_only_a_stand_in_can_be_replaced(name: str) -> None:
    with pytest.raises(LabError, match="takes no image of your own") as refused:
        on_true_image(name, IMAGE)
    assert "name one of el9, el10" in str(refused.value)


def test_what_was_chosen_holds_until_it_goes(tmp_path: Path) -> None:
    state = State(tmp_path / "own")
    state.create()
    assert releases(state) == list(RELEASES.values())
    with state.change() as data:
        data["images"] = {"el9": IMAGE}
    chosen = {release.name: release for release in releases(state)}
    assert chosen.pop("el9") == on_true_image("el9", IMAGE)
    assert chosen == {name: release for name, release in RELEASES.items() if name != "el9"}


def test_an_image_that_cannot_be_had_is_said_and_nothing_chosen(tmp_path: Path) -> None:
    """Nobody listens on this machine's port 9."""
    folder = tmp_path / "own"
    refused = subprocess.run(
        [sys.executable, "-m", "lab", "up", "--image", "el9=127.0.0.1:9/centos:stream9"],
        cwd=CHECKOUT, env={**os.environ, "RUNBOOK_LAB": str(folder)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "el9: cannot be pulled: 127.0.0.1:9/centos:stream9" in refused.stderr
    assert releases(State(folder)) == list(RELEASES.values())
