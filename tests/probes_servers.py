"""Servers on loopback that misbehave in ways that a real Postfix cannot be brought to."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

from runbook_lib.mail.probes.target import Endpoint

Behaviour = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(behaviour: Behaviour) -> Iterator[Endpoint]:
    """Serve every connection by `behaviour` until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        done = threading.Event()
        thread = threading.Thread(target=_accept, args=(listener, behaviour, done))
        thread.start()
        try:
            yield Endpoint("127.0.0.1", listener.getsockname()[1])
        finally:
            done.set()
            thread.join()


def _accept(listener: socket.socket, behaviour: Behaviour, done: threading.Event) -> None:
    while not done.is_set():
        with contextlib.suppress(TimeoutError):
            client, _ = listener.accept()
            with client, contextlib.suppress(OSError):
                client.settimeout(5.0)
                behaviour(client)


def script(*lines: bytes) -> Behaviour:
    """Say the first line, then one more after each line that the client sends."""

    def behave(client: socket.socket) -> None:
        for line in lines:
            client.sendall(line)
            if not client.recv(4096):
                return

    return behave


def drip(client: socket.socket) -> None:
    """Send one byte of an endless greeting at a time: each read succeeds, the greeting never ends."""
    for _ in range(100):
        client.sendall(b"2")
        time.sleep(0.1)
