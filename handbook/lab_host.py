"""A host is proven to be this checkout's lab's before the handbook touches it."""

from runbook_lib import inventory, remote
from runbook_lib.chapters import parameters
from runbook_lib.chapters.opening import is_lab_host
from runbook_lib.errors import ApplyRefused
from runbook_lib.remote import Host


def proven(inventory_name: str, host_name: str) -> Host:
    """The connection to a host of the lab; nothing was changed on it.

    Args:
        inventory_name: 'lab', or a path.
        host_name: a host of it.
    Raises: ApplyRefused for any other host than the lab's.
    """
    parameters.check(parameters.of_this_notebook(), frozenset({"inventory", "host"}), "the handbook")
    book = inventory.load(inventory_name)
    host = book.host(host_name)
    connected = remote.connect(book.site, host)
    mark = connected.run("cat /etc/runbook-lab 2>/dev/null || :").stdout.decode(errors="replace")
    if not is_lab_host(connected, mark):
        raise ApplyRefused(
            "it is not proven to be a host of this checkout's lab, and the handbook breaks what it is given",
            host.name,
            "run it without parameters, on the lab's first host; `python -m lab up` makes the lab",
        )
    return connected
