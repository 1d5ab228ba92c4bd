"""Standard input, output and error while a cell runs: Python's streams, and the descriptors below them.

What a subprocess writes goes to descriptors 1 and 2. They are files without a name while a cell runs, read before
anything else is added to the cell's outputs, so that the order is kept.
"""

import codecs
import contextlib
import fcntl
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from runbook_lib.engine.outputs import Outputs, StreamName

_PIECE_BYTES = 1 << 20
_NUMBERS: dict[StreamName, int] = {"stdout": 1, "stderr": 2}


class CellStream(io.TextIOBase):
    """What `sys.stdout` or `sys.stderr` is while a cell runs.

    There is one of each in a process: a logging handler keeps the stream that it was made with, and what it writes in
    a later cell, or a later notebook, belongs there. Outside of a notebook it writes where the process does.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, name: StreamName) -> None:
        self.stream_name = name
        self.target: Descriptors | None = None

    @property
    def name(self) -> str:
        """As a kernel's stream calls itself."""
        return f"<{self.stream_name}>"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """The descriptor, for a subprocess."""
        return _NUMBERS[self.stream_name]

    def write(self, text: str) -> int:
        """Add to the outputs of the cell that this thread belongs to."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self.target is not None:
            self.target.drain()
            self.target.outputs.stream(self.stream_name, text)
        elif (original := getattr(sys, f"__{self.stream_name}__")) is not None:
            original.write(text)
        return len(text)

    def flush(self) -> None:
        """Take over what was written to the descriptor below."""
        if self.target is not None:
            self.target.drain()


STREAMS: dict[StreamName, CellStream] = {"stdout": CellStream("stdout"), "stderr": CellStream("stderr")}


class _Below:
    """The file that stands for one descriptor."""

    def __init__(self, name: StreamName) -> None:
        self.name, self.number = name, _NUMBERS[name]
        self.file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the notebook
        # Several processes may write: each at the end.
        fcntl.fcntl(self.file.fileno(), fcntl.F_SETFL, os.O_APPEND | os.O_RDWR)
        self.taken = 0
        self.decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def read(self) -> Iterator[str]:
        size = os.fstat(self.file.fileno()).st_size
        while self.taken < size:
            new = os.pread(self.file.fileno(), min(_PIECE_BYTES, size - self.taken), self.taken)
            self.taken += len(new)
            yield self.decoder.decode(new)


class Descriptors:
    """Descriptors 0, 1 and 2 of one notebook's cells."""

    def __init__(self, outputs: Outputs) -> None:
        self.outputs = outputs
        self._below = [_Below(name) for name in _NUMBERS]

    def drain(self) -> None:
        """Add what was written to the descriptors since."""
        with self.outputs.lock:
            for below in self._below:
                for piece in below.read():
                    self.outputs.stream(below.name, piece)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Point 0 at nothing and 1 and 2 at the files, and give Python's streams to the cell."""
        _flush_originals()
        kept = {number: os.dup(number) for number in (0, 1, 2)}
        before = sys.stdin, sys.stdout, sys.stderr
        with Path(os.devnull).open() as nothing:
            os.dup2(nothing.fileno(), 0)
            for below in self._below:
                os.dup2(below.file.fileno(), below.number)
            sys.stdin, sys.stdout, sys.stderr = nothing, STREAMS["stdout"], STREAMS["stderr"]
            try:
                yield
            finally:
                _flush_originals()
                self.drain()
                sys.stdin, sys.stdout, sys.stderr = before
                for number, descriptor in kept.items():
                    os.dup2(descriptor, number)
                    os.close(descriptor)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """While the notebook runs, what is written to the cell's streams is its own, also between cells."""
        before = {name: stream.target for name, stream in STREAMS.items()}
        for stream in STREAMS.values():
            stream.target = self
        try:
            yield
        finally:
            for name, stream in STREAMS.items():
                stream.target = before[name]
            for below in self._below:
                below.file.close()


def _flush_originals() -> None:
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            stream.flush()
