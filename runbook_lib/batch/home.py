"""The process that workers are forked from: what is imported there, and when it begins.

It takes longer to be ready than the command takes to read the inventory and to check the order, so it begins first.
"""

import multiprocessing
from multiprocessing import forkserver

from runbook_lib.batch import interpreters

# What a worker needs is imported once, in the process that all of them are forked from; the last lets them share it.
# The command's own module is among it: multiprocessing imports in each worker what the script at work imports.
PRELOADED = [
    "runbook_lib.batch.rollout", "runbook_lib.batch.worker", "runbook_lib.engine.shell", "runbook_lib.cli",
    "runbook_lib.batch.preloaded",
]  # fmt: skip


def begin() -> None:
    """Have it begin, unless it is there; it ends with this process, also where no worker is ever wanted."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    with interpreters.never_from_here():
        forkserver.ensure_running()
