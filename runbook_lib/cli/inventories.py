"""Which inventory a command works with, where its records lie, and `runbook schema`."""

import os
import shlex
from typing import TYPE_CHECKING

from runbook_lib.cli.options import say, say_beside

if TYPE_CHECKING:  # models and YAML are slow to import for a `--help`
    from runbook_lib.inventory import Inventory


def named(given: str | None) -> str:
    """What a person named, else the default; which one that is, is said."""
    from runbook_lib import inventory
    from runbook_lib.places import shown_path

    if given:
        return given
    name = inventory.default()
    say_beside(f"Inventory: {shown_path(inventory.find(name))}")
    return name


def chosen(given: str | None) -> "Inventory":
    """The inventory that a person named, else the default; the records lie where it says.

    Raises: InventoryError.
    """
    from runbook_lib import inventory, records

    book = inventory.load(named(given))
    records.use(book)
    return book


def find_records(given: str | None) -> None:
    """Look for records where an inventory says: that which a person named, else the default where it is there.

    Raises:
        InventoryError: it cannot be read, so nobody knows where they lie.
        RecordError: they are another's.
    """
    from runbook_lib import inventory, records
    from runbook_lib.places import shown_path
    from runbook_lib.records import index, origin

    name = given or inventory.default()
    if given or (inventory.find(name).exists() and not os.environ.get("RUNBOOK_RECORDS")):
        book = inventory.load(name)
        records.use(book)
        if given is None and origin.is_said_by_site():
            say_beside(f"Records: {records.root()}, as {shown_path(book.path)} says")
    index.refuse_unreadable(records.root())


def as_option(given: str | None) -> str:
    """The option as the next command needs it, wherever that is typed."""
    from runbook_lib import inventory

    path = inventory.find(inventory.default())
    name = given or ("" if inventory.is_default(path) else str(path))
    return f"--inventory {shlex.quote(name)}" if name else ""


def schema() -> None:
    """Print the JSON schema of inventories, as editors read it."""
    from runbook_lib.inventory.schema import schema_text

    say(schema_text().rstrip("\n"))
