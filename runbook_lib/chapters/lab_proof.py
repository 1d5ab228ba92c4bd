"""Is this host one of the lab's? It is proven, never claimed by an inventory.

The lab's state file of this checkout holds the host's SSH key, and the host carries the same lab id.
"""

import json
import os
from pathlib import Path

from runbook_lib.inventory import CHECKOUT
from runbook_lib.remote import Host


def state_file() -> Path:
    """The lab's state file: of $RUNBOOK_LAB, else of this checkout."""
    folder = os.environ.get("RUNBOOK_LAB")
    return (Path(folder) if folder else CHECKOUT / ".lab") / "state.json"


def is_lab_host(host: Host, mark: str) -> bool:
    """True when the host shows a key that this lab made, and carries this lab's id.

    Args:
        mark: what stands in the host's /etc/runbook-lab.
    """
    try:
        state = json.loads(state_file().read_text())
    except FileNotFoundError:
        return False
    key = " ".join(host.host_key.line.split()[-2:])
    known = {" ".join(line.split()[:2]) for entry in state["hosts"].values() for line in entry["host_keys"]}
    if key not in known:
        return False
    return mark.strip() == str(state["lab_id"])
