"""Mail is taken while a chapter changes the server: sampled by a process outside it, shown, and in the record."""

import gc
import itertools
import os
import socket
import ssl
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import probes_postfix
import psutil  # type: ignore[import-untyped]
import pytest
from applied_host import run_cells, run_chapters
from probes_servers import drip, script, serving
from supported import changing, postfix_chapter

from lab import Lab
from runbook_lib.errors import ApplyRefused, CommandFailed
from runbook_lib.mail.flow import MailFlow, PortFlow, sampler, summed, watched
from runbook_lib.records import model
from runbook_lib.records.origin import run_id
from runbook_lib.remote.journal import Journal


def said(at: float, result: str = "taken", port: int = 25, took: float = 0.0) -> dict[str, object]:
    seen = "RCPT" if result == "taken" else f"{result} at {at:g}"
    return {"port": port, "at": at, "ended_at": at + took, "result": result, "seen": seen}


@pytest.mark.parametrize(
    ("answers", "flow_of_25"),
    [
        ([said(0), said(1), said(2)], PortFlow(25, "RCPT", 3, 0, 0, 1.0, ())),
        (
            [said(0), said(1, "no answer"), said(2, "refused"), said(3), said(4)],
            PortFlow(25, "RCPT", 5, 1, 1, 3.0, ("no answer at 1", "refused at 2")),
        ),
        # One that was answered late is a gap, too, though nothing went wrong.
        ([said(0), said(1, took=4.5), said(5.5)], PortFlow(25, "RCPT", 3, 0, 0, 5.5, ())),
        # A server that never comes back.
        (
            [said(0), *(said(n, "no answer") for n in range(1, 8))],
            PortFlow(25, "RCPT", 8, 0, 7, 7.0, tuple(f"no answer at {n}" for n in range(1, 6))),
        ),
    ],
)
def test_gaps_are_counted(answers: list[dict[str, object]], flow_of_25: PortFlow) -> None:
    assert summed([*answers, said(0, port=465)])[0] == flow_of_25


def test_a_clock_that_is_set_makes_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    set_back = itertools.count(0, -3600)
    monkeypatch.setattr(time, "time", lambda: float(next(set_back)))
    with socket.create_server(("127.0.0.1", 0)) as shut:
        port = shut.getsockname()[1]
    one = sampler.answer("127.0.0.1", port, ssl.create_default_context(), "")
    assert one["result"] == "no answer"
    (told,) = summed([one])
    assert 0 <= told.longest_gap_s < 60


def test_a_chapter_that_nobody_went_on_with_asks_no_more_when_the_next_begins() -> None:
    with serving(script(b"220 a ESMTP\r\n", b"250 a\r\n", b"221 bye\r\n")) as endpoint:
        left = MailFlow.start(endpoint.address, "a", (endpoint.port,))
        sampler = MailFlow.start(endpoint.address, "a", (endpoint.port,))
        assert left is not None
        assert sampler is not None
        assert left._process.poll() == 0
        assert sampler._process.poll() is None
        sampler.stop()
    assert left.stop()[0].asked >= 1


def test_a_sampler_that_nobody_holds_any_more_ends() -> None:
    """A chapter that was opened and dropped: nothing asks the server once a second from then on."""
    with serving(script(b"220 a ESMTP\r\n", b"250 a\r\n", b"221 bye\r\n")) as endpoint:
        dropped = MailFlow.start(endpoint.address, "a", (endpoint.port,))
        assert dropped is not None
        process = psutil.Process(dropped._process.pid)
        del dropped
        gc.collect()
        process.wait(timeout=20)


def test_a_server_that_is_cut_off_shows() -> None:
    """The sampler sees that nobody answers any more, and is gone when it was ended."""
    greeting = script(b"220 a ESMTP\r\n", b"250 a\r\n", b"221 bye\r\n")
    with serving(greeting) as endpoint:
        sampler = MailFlow.start(endpoint.address, "a", (endpoint.port,))
        assert sampler is not None
    (seen,) = sampler.stop()
    assert seen.level == "EHLO", "only port 25 is asked for a recipient"
    assert seen.unanswered >= 1
    assert "ConnectionRefused" in " ".join(seen.wrong)
    assert sampler._process.poll() == 0


def test_where_no_port_is_open_nothing_is_sampled() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert MailFlow.start("127.0.0.1", "a", (port,)) is None


def test_a_sampler_that_does_not_begin_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "sampler.py"
    broken.write_text("raise SystemExit('no such module')\n")
    monkeypatch.setattr(watched, "_SAMPLER", broken)
    with serving(script(b"220 a ESMTP\r\n")) as endpoint, pytest.raises(ApplyRefused, match="no such module"):
        MailFlow.start(endpoint.address, "a", (endpoint.port,))


def test_an_endless_answer_ends_the_conversation_and_not_the_machine() -> None:
    """From whoever sits on the way: lines that go on for ever, and bytes that each come in time."""

    def endless(client: socket.socket) -> None:
        while True:
            client.sendall(b"220-" + b"x" * 4000 + b"\r\n")

    with serving(endless) as endpoint, pytest.raises(sampler.NoAnswer, match="no SMTP"):
        sampler.ask(endpoint.address, endpoint.port, ssl.create_default_context(), "")
    with serving(drip) as endpoint:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            sampler.Conversation(endpoint.address, endpoint.port, timeout_s=1.0).hear("greeting")
        assert time.monotonic() - began < 5


def test_a_recipient_that_is_refused_from_the_start_is_named(lab: Lab) -> None:
    """Postfix takes the bare postmaster whatever its restrictions say: that alone is no sign that mail flows."""
    server = probes_postfix.host(lab)
    address, words = (
        lab.host(server.name).address,
        "554 5.7.1 <kensa@example.test>: Recipient address rejected",
    )
    with server.main_cf("smtpd_recipient_restrictions=permit_mynetworks, reject"):
        sampler = MailFlow.start(address, server.name, (25,), "kensa@example.test")
        assert sampler is not None
        (seen,) = sampler.stop()
    told = f"RCPT for postmaster (refused from the start, RCPT for kensa@example.test: {words}"
    assert seen.level.startswith(told), seen
    with server.main_cf("smtpd_recipient_restrictions=permit"):
        sampler = MailFlow.start(address, server.name, (25,), "kensa@example.test")
        assert sampler is not None
        server.sh("postconf -e 'smtpd_recipient_restrictions=defer'; postfix reload; sleep 2")
        (seen,) = sampler.stop()
    assert seen.level == "RCPT for kensa@example.test"
    assert seen.refused >= 1
    assert seen.wrong[0].startswith("RCPT for kensa@example.test: 450")


@pytest.fixture(scope="module")
def host(lab: Lab) -> str:
    """A server that takes mail on port 25 by now, with its certificate ready for chapter 2."""
    name = "debian12"
    lab.reset(name, "fresh")
    _, summaries = run_chapters(name, chapters=changing(name)[:2])
    assert "mail flow" not in "".join(summaries), "they change nothing that takes mail"
    return name


def record_of(run: str, host: str) -> model.RecordData:
    return model.read(Path(os.environ["RUNBOOK_RECORDS"]) / run / host / f"{postfix_chapter(host)}.json")


def flow_in(record: model.RecordData) -> list[model.PortFlow]:
    """What was sampled, which is in the record once at most."""
    steps = [step for step in record.steps if isinstance(step, model.FlowStep)]
    assert len(steps) <= 1
    return [port for step in steps for port in step.ports]


def samplers(lab: Lab, host: str) -> bytes:
    """Those that ask this host, by their process ids; tests beside this one have hosts of their own."""
    asks = f"{watched._SAMPLER} {lab.host(host).address} "
    return subprocess.run(["pgrep", "-f", asks], capture_output=True, check=False).stdout


def test_a_chapter_that_fails_has_it_in_its_record(
    lab: Lab, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How mail fared until then; the sampler has ended, whoever asks no summary."""
    run = run_id(datetime.now(UTC))
    monkeypatch.setenv("RUNBOOK_RUN", run)

    def fails(*_: object) -> None:
        raise CommandFailed("no space left on device", host, "make room", "Nothing was changed.")

    monkeypatch.setattr(Journal, "apply", fails)
    with pytest.raises(CommandFailed, match="no space"):
        run_cells(postfix_chapter(host), host=host)
    record = record_of(run, host)
    assert record.outcome == "failed"
    assert [(port.port, port.refused, port.unanswered) for port in flow_in(record)] == [(25, 0, 0)]
    assert samplers(lab, host) == b""


def test_no_mail_is_refused_while_chapter_2_is_made(lab: Lab, host: str) -> None:
    """465 and 587 were not there before, so they are not asked."""
    run, (summary,) = run_chapters(host, chapters=changing(host)[-1:])
    (port,) = flow_in(record_of(run, host))
    level = "RCPT for kensa@example.test"
    assert (port.port, port.level, port.refused, port.unanswered) == (25, level, 0, 0), port.wrong
    assert port.asked > 3
    # A machine that is busy makes gaps of a second or two; a port that was shut for a restart would be unanswered.
    assert 0 < port.longest_gap_s < 20
    assert f"port 25: asked {port.asked} times as far as {level}, 0 refused" in summary
    # Nothing is left of it: no process here, no message there.
    assert samplers(lab, host) == b""
    assert b"Mail queue is empty" in lab.exec(host, "postqueue -p")
    run, (summary,) = run_chapters(host, chapters=changing(host)[-1:])
    assert "mail flow" not in summary, "nothing was changed, so nothing was asked"
    assert flow_in(record_of(run, host)) == []
