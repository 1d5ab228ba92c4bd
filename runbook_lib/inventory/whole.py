"""What of an inventory grows with its hosts: apart, so that a worker, which has one of them, need not carry it."""

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import reduction
from types import TracebackType
from typing import Any, NamedTuple, Self

from runbook_lib.inventory.models import Host


class Neighbour(NamedTuple):
    """What the work on a host asks about another one of the inventory.

    Args:
        name: of the host.
        names: those of all its certificates.
        has_pop: whether users fetch mail from it by a name of its own.
        clients: the mail programs that its users have.
    """

    name: str
    names: tuple[str, ...]
    has_pop: bool
    clients: tuple[str, ...]


@dataclass(frozen=True)
class Whole:
    """All hosts of an inventory.

    Args:
        hosts: by name, in the file's order.
        content: the file's bytes, as they were read.
    """

    hosts: Mapping[str, Host]
    content: bytes = field(repr=False)

    @property
    def neighbours(self) -> tuple[Neighbour, ...]:
        """What others may ask about each host."""
        return tuple(
            Neighbour(one.name, one.every_name, bool(one.names.pop), one.clients)
            for one in self.hosts.values()
        )


class Loan:
    """The same in memory that processes share: whoever asks for a part of it reads that, and keeps it.

    Pickled for a process that multiprocessing starts, it takes the memory along, and nothing that is in it. So all
    hosts are there once, however many are at work, and to start one takes the same among ten and among a thousand.

    Args:
        memory: descriptor of a file without a name.
        of_neighbours: how many bytes at its beginning are those of `neighbours`.
    """

    def __init__(self, memory: int, of_neighbours: int) -> None:
        self.memory, self.of_neighbours = memory, of_neighbours

    @classmethod
    def of(cls, whole: "Whole | Loan") -> Self:
        """Put a copy into such memory. Whoever made it closes it, once those have begun whom it is for."""
        neighbours = pickle.dumps(whole.neighbours)
        memory = os.memfd_create("inventory")
        with open(memory, "wb", closefd=False) as file:
            file.write(neighbours)
            file.write(pickle.dumps(Whole(whole.hosts, whole.content)))
        return cls(memory, len(neighbours))

    def __reduce__(self) -> "tuple[Any, ...]":
        return _borrowed, (reduction.DupFd(self.memory), self.of_neighbours)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.memory)

    @cached_property
    def neighbours(self) -> tuple[Neighbour, ...]:
        """What others may ask about each host."""
        read: tuple[Neighbour, ...] = pickle.loads(os.pread(self.memory, self.of_neighbours, 0))  # noqa: S301 - our own
        return read

    @property
    def hosts(self) -> Mapping[str, Host]:
        """As `Whole` has them."""
        return self._whole.hosts

    @property
    def content(self) -> bytes:
        """As `Whole` has it."""
        return self._whole.content

    @cached_property
    def _whole(self) -> Whole:
        size = os.fstat(self.memory).st_size - self.of_neighbours
        read: Whole = pickle.loads(os.pread(self.memory, size, self.of_neighbours))  # noqa: S301 - our own
        return read


def _borrowed(memory: Any, of_neighbours: int) -> Loan:
    return Loan(memory.detach(), of_neighbours)
