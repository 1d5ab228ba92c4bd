"""What an account of a host without rights, or with those of the group mail, tries against root's work there."""

import secrets
from collections.abc import Iterator

import probes_postfix
import pytest
from probes_postfix import MailHost
from remote_hosts import connected

from lab import Lab
from runbook_lib.remote import runs

MBOX, VICTIM = "/var/mail/kensa", "/root/victim"
# Stands in front of the program on PATH, so that the attacker wins each race: NAME, and what happens at its first call.
BEFORE = """
cat > /usr/sbin/{name} <<'EOF'
#!/bin/sh
{do}
EOF
chmod 755 /usr/sbin/{name}
"""


@pytest.fixture
def host(lab: Lab) -> Iterator[MailHost]:
    found = probes_postfix.host(lab)
    found.sh(f"rm -f {MBOX}*; printf 'From victim\\n\\nkeep me\\n' > {VICTIM}")
    yield found
    found.sh(f"rm -f /usr/sbin/wc /usr/sbin/mktemp {MBOX}* {VICTIM}")


def deliver(host: MailHost, messages: int) -> list[str]:
    tokens = [secrets.token_hex(12) for _ in range(messages)]
    for token in tokens:
        host.sh(
            f"printf 'X-Runbook-Probe: {token}\\n\\nx\\n' | sendmail -f hanako@example.test kensa@example.test"
        )
        assert host.view.find_message("kensa", token)
    return tokens


@pytest.mark.parametrize(
    ("name", "do", "messages"),
    [
        (
            "wc",
            f'[ -e {MBOX}.own ] || {{ mv {MBOX} {MBOX}.own; ln -s {VICTIM} {MBOX}; }}; exec /usr/bin/wc "$@"',
            1,
        ),
        (
            "wc",
            f'[ -e {MBOX}.own ] || {{ mv {MBOX} {MBOX}.own; ln {VICTIM} {MBOX}; }}; exec /usr/bin/wc "$@"',
            1,
        ),
        ("mktemp", f'made=$(/usr/bin/mktemp "$@"); ln -sf {VICTIM} "$made"; echo "$made"', 2),
        ("mktemp", f'made=$(/usr/bin/mktemp "$@"); ln -f {VICTIM} "$made"; echo "$made"', 2),
    ],
    ids=["mailbox, link", "mailbox, hard link", "saved, link", "saved, hard link"],
)
def test_a_link_in_the_folder_of_mailboxes_leads_root_to_no_other_file(
    host: MailHost, name: str, do: str, messages: int
) -> None:
    tokens = deliver(host, messages)
    before = host.sh(f"sha256sum {VICTIM}")
    host.sh(BEFORE.format(name=name, do=do))
    host.view.remove_message("kensa", tokens[0])
    assert host.sh(f"sha256sum {VICTIM}") == before
    host.sh(f"rm -f /usr/sbin/{name}; ! [ -e {MBOX}.own ] || mv -f {MBOX}.own {MBOX}")
    assert all(host.view.find_message("kensa", token) for token in tokens[1:])


def test_a_mailbox_that_is_a_link_is_not_followed(host: MailHost) -> None:
    tokens = deliver(host, 1)
    host.sh(f"mv {MBOX} {VICTIM}; ln -s {VICTIM} {MBOX}")
    before = host.sh(f"sha256sum {VICTIM}")
    assert not host.view.remove_message("kensa", tokens[0])
    assert host.sh(f"sha256sum {VICTIM}") == before


def test_a_file_that_is_named_like_a_lock_is_no_run_at_work(host: MailHost) -> None:
    """A folder whose name ends in an arrow: what shows open files as a list shows it like the lock itself."""
    host.sh(
        "mkdir -p '/tmp/x -> /run'; : > '/tmp/x -> /run/runbook.work'; : > '/tmp/x -> /run/runbook.lock'\n"
        "sleep 60 3< '/tmp/x -> /run/runbook.work' 4< '/tmp/x -> /run/runbook.lock' >/dev/null 2>&1 &\n"
        "echo $! > /root/open"
    )
    try:
        with connected(host.lab, host.name) as there:
            standing = runs.look(there)
        assert (standing.holder, standing.changing) == ("", False)
        host.sh("exec 8>>/run/runbook.work; sleep 60 >/dev/null 2>&1 & echo $! >> /root/open")
        with connected(host.lab, host.name) as there:
            assert runs.look(there).changing
    finally:
        host.sh("kill $(cat /root/open); rm -r '/tmp/x -> '* /root/open /run/runbook.work")
