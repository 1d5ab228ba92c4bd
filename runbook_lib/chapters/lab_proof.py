"""Is this host one of the lab's? It is proven, never claimed by an inventory.

The lab's state file of this checkout holds the host's SSH key, and the host carries the same lab id.
"""

import json
import os
from pathlib import Path

from runbook_lib.inventory import CHECKOUT
from runbook_lib.remote import Host

_MARK = "/etc/runbook-lab"


def state_file() -> Path:
    """The lab's state file: of $RUNBOOK_LAB, else of this checkout."""
    folder = os.environ.get("RUNBOOK_LAB")
    return (Path(folder) if folder else CHECKOUT / ".lab") / "state.json"


def is_lab_host(host: Host) -> bool:
    """True when the host shows a key that this lab made, and carries this lab's id."""
    try:
        state = json.loads(state_file().read_text())
    except FileNotFoundError:
        return False
    key = " ".join(host.host_key.line.split()[-2:])
    known = {" ".join(line.split()[:2]) for entry in state["hosts"].values() for line in entry["host_keys"]}
    if key not in known:
        return False
    return host.run(f"cat {_MARK} 2>/dev/null || :").text.strip() == str(state["lab_id"])
