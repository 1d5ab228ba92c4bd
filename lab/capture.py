"""The document's own threat, shown for real: one login as somebody on the network sees it, before and after.

Frames are read on the lab's bridge by a packet socket (AF_PACKET, as tcpdump does); the host is a throw-away one, and
so is its user. What is written is what chapter 0 shows.
"""

import base64
import json
import os
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.images import Progress
from lab.lab import Lab
from lab.state import CHECKOUT
from runbook_lib.errors import LabError

FOLDER = CHECKOUT / "docs" / "capture"
HOST = "debian12"
USER, PASSWORD = "throwaway", "open-sesame"
_EHLO = "cafe.example"
_ETH_P_ALL = 0x0003
# As the document's day had it: AUTH on port 25, and before TLS.
_BEFORE = "postconf -e smtpd_tls_auth_only=no smtpd_sasl_auth_enable=yes && postfix reload"
_AFTER = "postconf -e smtpd_tls_auth_only=yes && postconf -X smtpd_sasl_auth_enable && postfix reload"


@dataclass
class Captured:
    """Every byte of one conversation, in the order in which the sides took turns.

    Args:
        turns: ('client' or 'server', bytes), neighbours differ.
    """

    turns: list[tuple[str, bytes]] = field(default_factory=list)
    _seen: dict[str, set[int]] = field(default_factory=lambda: {"client": set(), "server": set()})

    def add(self, sender: str, sequence: int, payload: bytes) -> None:
        """Take a TCP segment; one that was sent again is left out."""
        if not payload or sequence in self._seen[sender]:
            return
        self._seen[sender].add(sequence)
        if self.turns and self.turns[-1][0] == sender:
            self.turns[-1] = (sender, self.turns[-1][1] + payload)
        else:
            self.turns.append((sender, payload))

    def bytes_of(self, sender: str) -> bytes:
        """Everything that one side sent."""
        return b"".join(payload for who, payload in self.turns if who == sender)

    def lines(self) -> list[dict[str, Any]]:
        """As chapter 0 shows it: lines of SMTP while they can be read, then TLS records."""
        shown: list[dict[str, Any]] = []
        secret = False
        for sender, payload in self.turns:
            secret = secret or (sender == "client" and payload[:2] == b"\x16\x03")  # a TLS handshake record
            if secret:
                shown.append({"sender": sender, "shown": _printable(payload), "readable": False})
            else:
                text = payload.decode("ascii", "backslashreplace").rstrip("\r\n")
                shown += [{"sender": sender, "shown": line, "readable": True} for line in text.split("\r\n")]
        return shown


def _printable(payload: bytes) -> str:
    """The first bytes as a capture tool prints them: a dot for what is no letter."""
    return "".join(chr(byte) if 32 < byte < 127 else "." for byte in payload[:40])


@contextmanager
def _listening(bridge: str, host: str, port: int) -> Iterator[Captured]:
    captured, ended = Captured(), threading.Event()
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    listener.bind((bridge, 0))
    listener.settimeout(0.1)

    def listen() -> None:
        while not ended.is_set():
            try:
                frame = listener.recv(65535)
            except TimeoutError:
                continue
            _take(frame, host, port, captured)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield captured
    finally:
        time.sleep(0.3)  # the last segments are on their way
        ended.set()
        thread.join()
        listener.close()


def _take(frame: bytes, host: str, port: int, captured: Captured) -> None:
    if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_TCP:
        return
    header = (frame[14] & 0x0F) * 4
    source, target = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
    tcp = frame[14 + header : 14 + int.from_bytes(frame[16:18], "big")]
    source_port, target_port, sequence = struct.unpack("!HHI", tcp[:8])
    payload = tcp[(tcp[12] >> 4) * 4 :]
    if (target, target_port) == (host, port):
        captured.add("client", sequence, payload)
    elif (source, source_port) == (host, port):
        captured.add("server", sequence, payload)


def _log_in(address: str, port: int, context: ssl.SSLContext | None) -> None:
    with smtplib.SMTP(address, port, local_hostname=_EHLO, timeout=20) as client:
        client.ehlo()
        if context is not None:
            client.starttls(context=context)
            client.ehlo()
        login = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
        code, words = client.docmd("AUTH", f"PLAIN {login}")
        if code != 235:
            raise LabError(
                f"the login was refused: {code} {words!r}", HOST, "see saslauthd's journal on the host"
            )


def capture(lab: Lab, progress: Progress) -> tuple[Captured, Captured]:
    """Capture the same login before and after on a lab host, which is bare again afterwards.

    Args:
        lab: a lab that is up.
        progress: told one line a step.
    Returns: the conversation on 25 in clear, and the one on 587 with TLS.
    Raises: LabError when the chapters do not pass on the host, or the login is refused.
    """
    host = lab.host(HOST)
    progress(f"{HOST}: the chapters, from bare")
    lab.reset(HOST, "bare")
    _apply(lab.inventory)
    try:
        lab.exec(HOST, f"useradd {USER}; echo '{USER}:{PASSWORD}' | chpasswd; {_BEFORE}")
        progress("a login on port 25 in clear text, as in 2013")
        before = _captured(host.network.bridge, host.address, 25, None)
        lab.exec(HOST, _AFTER)
        progress("the same login on port 587 with TLS, after chapter 2")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = (
            False,
            ssl.CERT_NONE,
        )  # the listener is of interest, not the name
        after = _captured(host.network.bridge, host.address, 587, context)
    finally:
        lab.reset(HOST, "bare")
    return before, after


def _apply(inventory: Path) -> None:
    """Every chapter but 0, which shows the capture; their records are of no interest."""
    runbook = Path(sys.executable).with_name("runbook")
    command = [str(runbook), "apply", "--inventory", str(inventory), "--host", HOST, "--from", "11"]
    with tempfile.TemporaryDirectory() as records:
        done = subprocess.run(
            command,
            env={**os.environ, "RUNBOOK_RECORDS": records},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    if done.returncode != 0:
        raise LabError(
            f"the chapters did not pass:\n{done.stdout}{done.stderr}",
            HOST,
            "run `runbook apply` there, and see",
        )


def _captured(bridge: str, address: str, port: int, context: ssl.SSLContext | None) -> Captured:
    with _listening(bridge, address, port) as captured:
        _log_in(address, port, context)
    return captured


def write(
    before: Captured, after: Captured, folder: Path = FOLDER, say: Callable[[str], None] = print
) -> None:
    """Write both conversations for chapter 0."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, captured in (("before", before), ("after", after)):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(captured.lines(), indent=1) + "\n", encoding="utf-8")
        say(f"written: docs/capture/{path.name}, {len(captured.lines())} lines")
