"""The lab of this checkout, as its state file has it: which hosts it made."""

import ipaddress
import json
import os
from pathlib import Path
from typing import Any

from runbook_lib import places


def lab_state() -> dict[str, Any] | None:
    """The state file of the lab of $RUNBOOK_LAB, else of this checkout's; None where no lab was made."""
    given = os.environ.get("RUNBOOK_LAB")
    folder = Path(given) if given else places.CHECKOUT and places.CHECKOUT / ".lab"
    if folder is None:
        return None
    try:
        text = (folder / "state.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    state: dict[str, Any] = json.loads(text)
    return state


def may_be_of_the_lab(address: str) -> bool:
    """False where a host cannot be one of the lab's, by its address alone; that it is one, only the host proves.

    Names under .test are nobody's but a lab's (RFC 6761, 6.2); the lab's networks are /24 and /64.
    """
    state = lab_state()
    if state is None:
        return False
    try:
        given = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address.rstrip(".").endswith(".test")
    known = (host[field] for host in state["hosts"].values() for field in ("address", "address6"))
    networks = (ipaddress.ip_interface(f"{one}/{64 if ':' in one else 24}").network for one in known)
    return any(given in network for network in networks)
