"""The look from within finds one message and removes it, and nothing else is touched."""

import secrets

import probes_postfix
import pytest
from probes_postfix import LabShell, MailHost

from lab import Lab
from runbook_lib.mail.probes.host_view import ShellHostView

MBOX = "/var/mail/kensa"


@pytest.fixture
def host(lab: Lab) -> MailHost:
    return probes_postfix.host(lab)


@pytest.fixture
def token() -> str:
    return secrets.token_hex(12)


def deliver(host: MailHost, *tokens: str) -> None:
    """A message for each token, one after the other, with a body that looks like a message of its own."""
    for token in tokens:
        host.sh(
            f"printf '%s\\n' 'X-Runbook-Probe: {token}' 'Subject: test' '' 'From here on' 'X-Runbook-Probe: quoted'"
            " 'é' | sendmail -f hanako@example.test kensa@example.test"
        )
        assert host.view.find_message("kensa", token)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_message_is_cut_out_wherever_it_lies(host: MailHost, position: int) -> None:
    host.sh(f"rm -f {MBOX}")
    tokens = [secrets.token_hex(12) for _ in range(3)]
    deliver(host, *tokens)
    messages = host.sh(f"cat {MBOX}").split("From hanako@")
    before = host.sh(f"stat -c '%i %U %G %a' {MBOX}")
    assert host.view.remove_message("kensa", tokens[position])
    del messages[position + 1]
    assert host.sh(f"cat {MBOX}") == "From hanako@".join(messages)
    assert host.sh(f"stat -c '%i %U %G %a' {MBOX}") == before
    assert host.sh(f"ls {MBOX}*").split() == [MBOX]


def test_what_is_found_is_the_message_as_delivered(host: MailHost, token: str) -> None:
    deliver(host, token)
    found = host.view.find_message("kensa", token)
    assert found is not None
    assert found.startswith(b"Return-Path: <hanako@example.test>\n")
    assert found.rstrip(b"\n").endswith("é".encode())


def test_a_message_that_only_quotes_the_header_is_not_found_and_not_removed(
    host: MailHost, token: str
) -> None:
    """A bounce has the header of the bounced message in its body."""
    host.sh(f"rm -f {MBOX}; printf '\\nX-Runbook-Probe: {token}\\n' | sendmail kensa@example.test; sleep 1")
    before = host.sh(f"cat {MBOX}")
    assert token in before
    assert ShellHostView(LabShell(host.lab, host.name), 1).find_message("kensa", token) is None
    assert not host.view.remove_message("kensa", token)
    assert host.sh(f"cat {MBOX}") == before


def test_a_mailbox_that_another_program_has_locked_is_left_alone(host: MailHost, token: str) -> None:
    deliver(host, token)
    with host.main_cf("deliver_lock_attempts=1", "deliver_lock_delay=1s"):
        before = host.sh(f"touch {MBOX}.lock; cat {MBOX}")
        assert not host.view.remove_message("kensa", token)
        assert host.sh(f"cat {MBOX}; rm {MBOX}.lock") == before


def test_a_maildir_is_looked_into_where_postfix_delivers_there(host: MailHost, token: str) -> None:
    with host.main_cf("home_mailbox=Maildir/"):
        host.sh("home=$(getent passwd kensa | cut -d: -f6); mkdir -p $home; chown kensa: $home")
        deliver(host, token)
        files = "find $(getent passwd kensa | cut -d: -f6)/Maildir -type f"
        assert len(host.sh(files).split()) == 1
        assert host.view.remove_message("kensa", token)
        assert host.sh(files) == ""
        assert not host.view.remove_message("kensa", token)


def test_a_message_that_waits_is_taken_out_of_the_queue_with_its_reason(host: MailHost) -> None:
    with host.main_cf("mailbox_transport=smtp:[10.77.250.1]"):
        host.sh("printf '\\nwaits\\n' | sendmail kensa@example.test; sleep 1")
        queue_id = host.sh("postqueue -p | sed -n 2p").split()[0].rstrip("*!")
        reason = host.view.withdraw(queue_id)
    assert reason is not None
    assert "10.77.250.1" in reason
    assert "Mail queue is empty" in host.sh("postqueue -p")
    assert host.view.withdraw(queue_id) is None


def test_a_user_that_is_no_name_is_refused_before_it_is_part_of_a_path(host: MailHost, token: str) -> None:
    with pytest.raises(ValueError, match="not the name of a system user"):
        host.view.find_message("../etc/shadow", token)
    with pytest.raises(ValueError, match="not a token"):
        host.view.find_message("kensa", "x' ; id")
