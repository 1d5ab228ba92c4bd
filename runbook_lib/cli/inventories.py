"""Which inventory a command works with, and `runbook schema`."""

import shlex
from typing import TYPE_CHECKING

from runbook_lib.cli.options import say

if TYPE_CHECKING:  # models and YAML are slow to import for a `--help`
    from runbook_lib.inventory import Inventory


def default_name() -> str:
    """`site` where this checkout has one, else the lab."""
    from runbook_lib import inventory

    return "site" if inventory.find("site").exists() else "lab"


def chosen(given: str | None) -> "Inventory":
    """The inventory that a person named, else the default.

    Raises: InventoryError.
    """
    from runbook_lib import inventory

    return inventory.load(given or default_name())


def as_option(given: str | None) -> str:
    """The option as the next command needs it."""
    return f"--inventory {shlex.quote(given)}" if given else ""


def schema() -> None:
    """Print the JSON schema of inventories, as editors read it."""
    from runbook_lib.inventory.schema import schema_text

    say(schema_text().rstrip("\n"))
