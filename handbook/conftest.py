"""`pytest --nbval handbook`: each notebook resets its host itself; the lab has to be up."""

from pathlib import Path

import pytest

from lab import Lab

_up: list[bool] = []


def pytest_configure(config: pytest.Config) -> None:
    """The patterns are found from wherever pytest was started."""
    if getattr(config.option, "nbval", False):
        config.option.nbval_sanitize_with = str(Path(__file__).parents[1] / "tests" / "nbval.cfg")


@pytest.hookimpl(tryfirst=True)  # before nbval starts the notebook's kernel
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the first cell: the lab, brought up or repaired."""
    if item.path.suffix == ".ipynb" and not _up:
        Lab.load().up(names=("debian12",))
        _up.append(True)
