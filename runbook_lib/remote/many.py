"""Looking at many hosts: so many at a time, and each is told as soon as it is known.

What is kept is what is at work: a host's connection ends with the look at it, and who takes what was found slowly holds
up the looking, so that nothing heaps up.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import Queue
from typing import Generic, Protocol, TypeVar

from runbook_lib.errors import RunbookError
from runbook_lib.remote.connection import leave

# Fewer than sshd lets begin at once (MaxStartups 10:30:100), since all may come through one jump host.
AT_ONCE = 8


class Named(Protocol):
    """A host of the inventory, or what is known of a server by its name alone."""

    @property
    def name(self) -> str: ...


H = TypeVar("H", bound=Named)
T = TypeVar("T")


def look_at_each(
    hosts: Sequence[H], look: Callable[[H], T], at_once: int = AT_ONCE
) -> Iterator[tuple[H, T | RunbookError]]:
    """Look at every host, several at the same time; each comes once, as soon as it is known.

    Args:
        look: what is asked of one host, from a thread of its own. Its connections are ended behind it.
        at_once: hosts at work at the same time.
    Yields: the host with what was found there, or with why nothing could be.
    """
    looks = _Looks(hosts, look, at_once)
    # Nobody waits for them where a person gives up (Ctrl-C): a look changes nothing, and it may take minutes.
    for _ in range(min(at_once, len(hosts))):
        threading.Thread(target=looks.work, daemon=True).start()
    for _ in hosts:
        host, found = looks.told.get()
        if isinstance(found, BaseException) and not isinstance(found, RunbookError):
            raise found
        yield host, found


class _Looks(Generic[H, T]):
    def __init__(self, hosts: Sequence[H], look: Callable[[H], T], at_once: int) -> None:
        self.look = look
        self.waiting = deque(hosts)
        self.told: Queue[tuple[H, T | BaseException]] = Queue(maxsize=at_once)

    def work(self) -> None:
        while True:
            try:
                host = self.waiting.popleft()
            except IndexError:
                return
            found: T | BaseException
            try:
                found = self.look(host)
            except BaseException as error:  # noqa: BLE001 - raised where it is taken, which is another thread
                found = error
            leave(host.name)
            self.told.put((host, found))
