"""Whether mail flowed while something was changed: sampled by a process of its own, once a second."""

import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, Self

from runbook_lib.errors import ApplyRefused
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.messages import message

PORTS = (25, 465, 587)
_SAMPLER = Path(__file__).with_name("sampler.py")
_LOOK_S = 2.0  # a port that does not accept a connection in this time was not there before
_FIRST_ANSWER_S = 30.0
_END_S = 30.0
_WRONG_SHOWN = 5


@dataclass(frozen=True)
class PortFlow:
    """What came back from one port.

    Args:
        port: which.
        level: how far each conversation went: 'RCPT for RECIPIENT', or 'EHLO' (after TLS where the port has it); and
            who was refused from the start, so that somebody else was asked for.
        asked: conversations.
        refused: those with a reply of 4xx or 5xx.
        unanswered: those that got no connection, or no reply.
        longest_gap_s: seconds between two conversations that went well, the longest; with one a second a gap of
            one second is none.
        wrong: what the first few said that did not go well.
    """

    port: int
    level: str
    asked: int
    refused: int
    unanswered: int
    longest_gap_s: float
    wrong: tuple[str, ...]

    @property
    def told(self) -> str:
        """For a person, in a row of the summary."""
        return message(
            "port {port}: asked {asked} times as far as {level}, {refused} refused, "
            "{unanswered} without an answer, longest gap {gap} s",
            port=self.port,
            asked=self.asked,
            level=self.level,
            refused=self.refused,
            unanswered=self.unanswered,
            gap=f"{self.longest_gap_s:.1f}",
        )


class MailFlow:
    """A sampler at work. Nothing is left on the server: no conversation goes as far as DATA.

    Args:
        process: the sampler.
        output: where it writes.
        where: the host's name, for errors.
    """

    # One at a time for a server: that of a chapter which nobody went on with ends when the next begins.
    _at_work: ClassVar[weakref.WeakValueDictionary[str, "MailFlow"]] = weakref.WeakValueDictionary()

    def __init__(self, process: subprocess.Popen[bytes], output: IO[bytes], where: str) -> None:
        self._process = process
        self._output = output
        self._where = where
        assert process.stdin is not None
        # One that nobody holds any more ends, too: a Popen that is dropped keeps its child and the pipe to it.
        weakref.finalize(self, process.stdin.close)

    @classmethod
    def start(
        cls, address: str, where: str, ports: Sequence[int] = PORTS, recipient: str = "postmaster"
    ) -> Self | None:
        """Sample the ports that take connections now, as seen from this machine.

        Back when each of them has answered once, so that the first answers are from before the first change.

        Args:
            address: of the server, as SSH reaches it.
            where: the host's name, for errors.
            ports: to look at.
            recipient: whom 25 is asked for. The bare postmaster is taken whatever a server's restrictions say.
        Returns: the sampler; None where none of the ports takes connections from here.
        Raises:
            ApplyRefused: the sampler did not begin; nothing was changed.
        """
        if (earlier := cls._at_work.pop(address, None)) is not None:
            earlier._end()
        there = [port for port in ports if _accepts(address, port)]
        if not there:
            return None
        output = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the sampler
        command = [sys.executable, "-I", str(_SAMPLER), address, recipient, *map(str, there)]
        # In a session of its own: the terminal's Ctrl-C is for us, who then end it and read what it saw.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        flow = cls(process, output, where)
        deadline = time.monotonic() + _FIRST_ANSWER_S
        while {line["port"] for line in flow._read()} != set(there):
            if process.poll() is not None or time.monotonic() > deadline:
                said = flow._text()
                flow._end()
                output.close()
                raise ApplyRefused(
                    message(
                        "the sampler of mail flow did not begin: {said}",
                        said=said[-300:] or message("no answer"),
                    ),
                    where,
                    message("see whether the ports answer from here, then run this again"),
                )
            time.sleep(0.05)
        cls._at_work[address] = flow
        return flow

    def stop(self) -> tuple[PortFlow, ...]:
        """End it after one more answer from each port. Returns: what came back, port by port."""
        self._end()
        answers = self._read()
        self._output.close()
        return summed(answers)

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _text(self) -> str:
        # Not seek: the sampler writes at the same offset.
        descriptor = self._output.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="backslashreplace")

    def _read(self) -> list[dict[str, Any]]:
        whole = self._text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]


def ports_to_sample(state: MailState) -> tuple[int, ...]:
    """Ports that may be asked again and again.

    Where logins are wanted and their packages are missing, smtpd(8) ends at each connection, and master(8) makes the
    next one wait for a minute (postconf(5), service_throttle_time): such a port takes no mail, and asking it would
    still hurt when it could.
    """
    everywhere = state.main_cf.get("smtpd_sasl_auth_enable") == "yes"

    def wants_logins(port: int) -> bool:
        lines = [line for name in state.service_on_port(port) for line in state.services[name]]
        if any("smtpd_sasl_auth_enable=no" in line for line in lines):
            return False
        return everywhere or any("smtpd_sasl_auth_enable=yes" in line for line in lines)

    return tuple(port for port in PORTS if not (state.missing_packages and wants_logins(port)))


def summed(answers: Sequence[Mapping[str, Any]]) -> tuple[PortFlow, ...]:
    """What the sampler wrote, port by port.

    A gap goes from one conversation that went well to the end of the next one; the time before the first and after the
    last that went well counts too, so that a server which never came back shows.
    """
    flows = []
    for port in sorted({line["port"] for line in answers}):
        own = [line for line in answers if line["port"] == port]
        good = [line["ended_at"] for line in own if line["result"] == "taken"]
        ends = [own[0]["at"], *good, own[-1]["ended_at"]]
        failed = [line for line in own if line["result"] != "taken"]
        flows.append(
            PortFlow(
                port,
                next((_level(line) for line in own if line["result"] == "taken"), message("a connection")),
                len(own),
                sum(line["result"] == "refused" for line in own),
                sum(line["result"] == "no answer" for line in own),
                round(max(after - before for before, after in itertools.pairwise(ends)), 1),
                tuple(line["seen"] for line in failed[:_WRONG_SHOWN]),
            )
        )
    return tuple(flows)


def _level(taken: Mapping[str, Any]) -> str:
    """How far a conversation went that went well, and who was refused before, where somebody was."""
    level: str = taken["seen"]
    if recipient := taken.get("recipient"):
        level = message("RCPT for {recipient}", recipient=recipient)
    if refusal := taken.get("refused_at_first"):
        return message("{level} (refused from the start, {refusal})", level=level, refusal=refusal)
    return level


def _accepts(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=_LOOK_S):
            return True
    except OSError:
        return False
