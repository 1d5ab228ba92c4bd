"""A host that never ends its answers holds up neither status nor rollback; what is put back is put back to its end."""

from pathlib import PurePosixPath

import pytest
from remote_hosts import connected

from lab import Lab
from runbook_lib import inventory, remote
from runbook_lib.afterwards import overview, way_back
from runbook_lib.errors import DeadlineExceeded, RollbackConflict
from runbook_lib.remote import rollback as remote_rollback
from runbook_lib.remote.change import Plan
from runbook_lib.remote.files import FileState, plan_file
from runbook_lib.remote.journal import Journal

HOST = "debian12"
RUN = "20260101T000000Z-aaaa"
PATHS = (PurePosixPath("/etc/one"), PurePosixPath("/etc/two"))


@pytest.fixture
def book(lab: Lab) -> inventory.Inventory:
    lab.reset(HOST, "bare")
    return inventory.load(lab.inventory)


def endless(lab: Lab, program: str) -> None:
    """A program of the host that never ends, for whoever asks through it."""
    lab.exec(
        HOST, f"printf '#!/bin/sh\nexec sleep 1000\n' > /usr/local/bin/{program}; chmod 755 /usr/local/bin/*"
    )


def made(lab: Lab) -> None:
    """A run of two files; one is edited since, the other is not."""
    with connected(lab, HOST) as host:
        changes = [c for path in PATHS for c in plan_file(path, None, FileState.wanted(b"ours\n"))]
        Journal(host, RUN, "tests").apply(Plan("Files", tuple(changes)), [])
    lab.exec(HOST, "echo his >> /etc/one")


def test_many_questions_have_one_deadline(book: inventory.Inventory) -> None:
    host = remote.connect(book.site, book.host(HOST))
    with host.looking(2) as deadline:
        with pytest.raises(DeadlineExceeded, match="`sleep 1000` did not end within"):
            host.run("sleep 1000")
        assert not deadline.left_s
        with pytest.raises(DeadlineExceeded, match="the 2 s for looking at this host are over") as error:
            host.run("true")
    assert "then type the same again" in error.value.remedy
    assert host.run("echo goes on").text == "goes on"


def test_status_ends(lab: Lab, book: inventory.Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "LOOK_S", 3.0)
    endless(lab, "ls")
    with pytest.raises(DeadlineExceeded) as error:
        overview.look(book, book.host(HOST))
    assert error.value.where == HOST


def test_a_rollback_ends_and_says_what_it_did(
    lab: Lab, book: inventory.Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The diffs and the CA's question get no answer: what was put back, and what not, is told all the same."""
    made(lab)
    monkeypatch.setattr(remote_rollback, "_LOOK_S", 5.0)
    monkeypatch.setattr(way_back, "_LOOK_S", 5.0)
    endless(lab, "base64")
    lab.exec(HOST, "touch /etc/ssl/certs/mail-server.pem")
    endless(lab, "openssl")
    back = way_back.put_back(book, book.host(HOST), RUN, "20261130T000000Z-0000")
    assert isinstance(back.conflict, RollbackConflict)
    told = str(back.conflict)
    assert "CONFLICT /etc/one: changed since" in told
    assert f"On the host: /var/lib/runbook/{RUN} has each file as NNN.0.before" in told
    assert back.conflict.put_back == 1
    assert lab.exec(HOST, "cat /etc/one; ls /etc/two 2>&1 || :").decode().startswith("ours\nhis\n")
    assert "so the CA has withdrawn none; the same again does it" in back.unsaid[0]
    assert "was not asked: the 5 s for looking at this host were over" in back.ports[-1]


def test_what_is_being_put_back_is_not_cut_off(
    lab: Lab, book: inventory.Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """undo.sh is slow: nobody waits for it for ever, it goes on by itself, and the same again finds it done."""
    made(lab)
    lab.exec(HOST, "cp -p /var/lib/runbook/*/001.0.after /etc/one")
    slow = "printf '#!/bin/sh\\nwhile [ ! -e /run/go-on ]; do sleep 0.2; done\\nexec /usr/bin/mv \"$@\"\\n'"
    lab.exec(HOST, f"{slow} > /usr/local/bin/mv; chmod 755 /usr/local/bin/mv")
    monkeypatch.setattr(remote_rollback, "_UNDO_S", 3.0)
    with pytest.raises(DeadlineExceeded, match=r"did not end within 3 s, and goes on by itself") as error:
        way_back.put_back(book, book.host(HOST), RUN, "20261130T000000Z-0000")
    assert "until no change is being made there, then type the same again" in error.value.remedy
    lab.exec(HOST, "touch /run/go-on; flock -w 60 /run/runbook.work true; rm /usr/local/bin/mv")
    lab.exec(HOST, "test ! -e /etc/one && test ! -e /etc/two")
    monkeypatch.undo()
    again = way_back.put_back(book, book.host(HOST), RUN, "20261130T000000Z-0000")
    assert again.done is not None
    assert "nothing to put back: what this run changed is back already" in again.done.lines
