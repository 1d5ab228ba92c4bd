"""Chapters of a batch share one look at the ports while it is about the same moment; what is stale is asked again."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from unittest import mock

import pytest
from applied_host import answers_are_kept

from lab import Lab
from runbook_lib import remote
from runbook_lib.chapters import one_look, thunderbird, verification, windows_live_mail
from runbook_lib.chapters.client import ClientChapter
from runbook_lib.errors import VerificationFailed
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Survey, Target
from runbook_lib.remote.change import Plan
from runbook_lib.remote.files import FileChange, FileState

HOST = "debian12"
TARGET = Target(name="mail.example.test", domain="example.test")
BY_US = FileChange(PurePosixPath("/etc/a-file-of-no-weight"), None, FileState.wanted(b"changed\n"))
# Logins on 587 are gone, though nobody of us did it.
BY_SOMEBODY = "postconf -P submission/inet/smtpd_sasl_auth_enable=no; postfix reload 2>/dev/null"


@pytest.fixture
def host() -> Iterator[remote.Host]:
    """A host as a batch has it; nobody connects."""
    with answers_are_kept():
        yield remote.Host(mock.Mock(), mock.Mock())


def taken(host: remote.Host) -> Survey:
    return one_look.keep(host, Survey(TARGET), "31-windows-live-mail").survey


def test_a_look_is_another_chapter_s_too_and_says_when_it_began(host: remote.Host) -> None:
    survey = taken(host)
    found = one_look.kept(host, dataclasses.replace(TARGET))
    assert found is not None
    assert (found.survey, found.chapter) == (survey, "31-windows-live-mail")
    assert found.began.tzinfo is not None


@pytest.mark.parametrize(
    "other",
    [
        {"name": "smtp.example.test"},
        {"ports": (25, 587)},
        {"ca_pem": b"another root"},
        {"expected_serial": "0A"},
        {"barred": {"0A": "is revoked"}},
        {"tls_floor_on_25": "TLSv1.2"},
    ],
)
def test_what_is_asked_of_another_server_is_asked(host: remote.Host, other: dict[str, object]) -> None:
    taken(host)
    assert one_look.kept(host, dataclasses.replace(TARGET, **other)) is None  # type: ignore[arg-type]


def test_a_change_a_new_connection_and_time_make_it_stale(
    host: remote.Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(host)
    host.forget_answers()
    assert one_look.kept(host, TARGET) is None
    taken(host)
    later = time.monotonic() + host.answers_kept_s
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert one_look.kept(host, TARGET) is None


def test_by_hand_each_chapter_looks_itself() -> None:
    assert remote.Host.answers_kept_s == 0
    by_hand = remote.Host(mock.Mock(), mock.Mock())
    taken(by_hand)
    assert one_look.kept(by_hand, TARGET) is None


def connections(lab: Lab) -> int:
    """How many mail connections the host has seen; whoever asks this forgets nothing, unlike `lab.exec`."""
    script = "journalctl --sync; journalctl -q -o cat | grep -c '^connect from' || :"
    return int(Lab.exec(lab, HOST, script))


def notes(chapter: ClientChapter) -> list[str]:
    return [step.text for step in chapter.record.data.steps if step.kind == "note"]


@pytest.fixture
def after_31(lab: Lab) -> Iterator[ClientChapter]:
    """Chapter 3-1 of a batch has just looked at the ports of a host that is as the chapters leave it."""
    lab.reset(HOST, "applied")
    with answers_are_kept():
        chapter = windows_live_mail.open("lab", HOST, "apply")
        chapter.ask_names()
        chapter.ask(probes.auth_after_tls)
        yield chapter


def by_us(chapter: ClientChapter) -> None:
    chapter.journal.apply(Plan("a file", (BY_US,)), [], lambda _: None)


def by_a_rollback(chapter: ClientChapter) -> None:
    numbers: list[str] = []
    chapter.journal.apply(Plan("a file", (BY_US,)), numbers, lambda _: None)
    taken(chapter.remote)  # whoever looked between the two
    chapter.journal.put_back(numbers[0])


def test_the_next_chapter_asks_nothing_again_and_its_record_says_whose_look_it_is(
    lab: Lab, after_31: ClientChapter
) -> None:
    assert notes(after_31) == []
    before = connections(lab)
    chapter = thunderbird.open("lab", HOST, "apply")
    chapter.ask_names()
    chapter.ask(probes.chain_validates)
    assert connections(lab) == before
    (note,) = notes(chapter)
    assert note.startswith("The look at the ports is that of 31-windows-live-mail, begun at 20")


@pytest.mark.parametrize("change", [by_us, by_a_rollback])
def test_after_a_change_of_ours_it_looks_again(
    lab: Lab, after_31: ClientChapter, change: Callable[[ClientChapter], None]
) -> None:
    change(after_31)
    before = connections(lab)
    chapter = thunderbird.open("lab", HOST, "apply")
    assert connections(lab) > before
    assert notes(chapter) == []


@pytest.mark.usefixtures("after_31")
def test_what_somebody_else_changes_before_the_last_chapter_is_seen_by_it(lab: Lab) -> None:
    thunderbird.open("lab", HOST, "apply").ask(probes.chain_validates)
    Lab.exec(lab, HOST, BY_SOMEBODY)
    last = verification.open("lab", HOST, "apply")
    with pytest.raises(VerificationFailed, match="AUTH is not offered"):
        last.ask(probes.auth_after_tls)
