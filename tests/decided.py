"""What persons decide in tests: an inventory of the lab with decisions, and those for a lived-in host."""

from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML
from shaped_host import HOST

from lab import Lab
from lab.prepared import LIVED_IN


def decided(lab: Lab, folder: Path, places: Mapping[str, str], host: str = HOST) -> str:
    """An inventory of the lab with decisions for a host."""
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["hosts"][host]["decisions"] = [
        {"about": about, "decide": decide, "reason": f"tested: {about}"} for about, decide in places.items()
    ]
    path = folder / "decided.yaml"
    yaml.dump(book, path)
    return str(path)


def for_lived_in(state: str) -> dict[str, str]:
    """The decisions for a host in this lived-in state."""
    return LIVED_IN | ({"master.cf, smtp/inet": "keep"} if "postscreen" in state else {})
