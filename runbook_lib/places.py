"""Where the runbook's own things lie, in a checkout or in an installed package, and where those of its user do."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
_SHIPPED = PACKAGE / "shipped"  # only a wheel has it: hatch_build.py says what is in it
CHECKOUT = None if _SHIPPED.is_dir() else PACKAGE.parent
_TREE = CHECKOUT or _SHIPPED
NOTEBOOKS = _TREE / "notebooks"
CAPTURE = _TREE / "docs" / "capture"
EXAMPLE = _TREE / "inventory" / "example.yaml"
SCHEMA = _TREE / "inventory" / "schema.json"


def notebooks_in(language: str) -> Path:
    """The folder of the chapters in a language ("en", "ja"). Those in English are the ones that a batch runs."""
    return NOTEBOOKS if language == "en" else NOTEBOOKS / language


def configuration() -> Path:
    """The user's folder of settings for the runbook: `runbook` in $XDG_CONFIG_HOME, else in ~/.config.

    Source: XDG Base Directory Specification, which has a path that is not absolute ignored.
    """
    return _of_user("XDG_CONFIG_HOME", ".config")


def data() -> Path:
    """The user's folder of the runbook's data: `runbook` in $XDG_DATA_HOME, else in ~/.local/share.

    Source: as `configuration`.
    """
    return _of_user("XDG_DATA_HOME", ".local/share")


def _of_user(variable: str, in_home: str) -> Path:
    given = Path(os.environ.get(variable, ""))
    return (given if given.is_absolute() else Path.home() / in_home) / "runbook"


def shown_path(path: Path) -> str:
    """A path for a person: from the checkout where it is inside."""
    inside = CHECKOUT is not None and path.is_relative_to(CHECKOUT)
    return str(path.relative_to(CHECKOUT)) if CHECKOUT and inside else str(path)
