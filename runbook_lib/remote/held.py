"""A script that stays on a host: a lock that lives as long as the connection does."""

from collections.abc import Callable

from runbook_lib.remote.exchange import Exchange


class Held:
    """A script that stays on the host until it is released or the connection ends. Made by `Host.hold`.

    `line` is the first line it said.
    """

    def __init__(self, exchange: Exchange, line: str, released: Callable[["Held"], None]) -> None:
        self.line = line
        self._exchange, self._released = exchange, released

    @property
    def title(self) -> str:
        """The script's first line, for messages."""
        return self._exchange.script.title

    @property
    def alive(self) -> bool:
        """Does it still run, as far as this side knows?"""
        return self._exchange.alive

    def release(self, timeout_s: float = 10.0) -> None:
        """Close its standard input, and wait at most `timeout_s` seconds for its end. May be called twice."""
        self._released(self)
        self._exchange.finish(timeout_s)

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()
