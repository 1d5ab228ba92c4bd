"""Hosts over SSH: one connection, facts in one round trip, changes as values with their undo."""

from runbook_lib.remote import lean  # noqa: F401  # before paramiko is imported
from runbook_lib.remote.connection import Host, connect, connected, leave
from runbook_lib.remote.exchange import Deadline
from runbook_lib.remote.facts import Fact, gather
from runbook_lib.remote.held import Held
from runbook_lib.remote.script import Result

__all__ = ["Deadline", "Fact", "Held", "Host", "Result", "connect", "connected", "gather", "leave"]
