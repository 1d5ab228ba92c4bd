"""Root through sudo: the first try is right, the password goes nowhere else, a refusal says what to do."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from applied_host import runbook
from remote_hosts import connected

from lab import Lab
from runbook_lib import inventory
from runbook_lib.errors import SudoRefused
from runbook_lib.remote.script import Result

WITH_PASSWORD, WITHOUT = "debian12", "debian13"
DROP_IN = "/etc/sudoers.d/zz-test"
Sudoers = Callable[[str, str], None]


@pytest.fixture
def sudoers(lab: Lab) -> Iterator[Sudoers]:
    """Adds lines to a host's sudoers for one test."""
    touched = set()

    def add(name: str, lines: str) -> None:
        touched.add(name)
        lab.exec(name, f"umask 337; cat >{DROP_IN} <<'EOF'\n{lines}\nEOF\nvisudo -cq")

    yield add
    for name in touched:
        lab.exec(name, f"rm -f {DROP_IN}")


@pytest.fixture
def wrong_password(tmp_path: Path) -> str:
    """A reference to a password that is not kanri's."""
    path = tmp_path / "wrong-password"
    path.touch(mode=0o600)
    path.write_text("not the right one\n")
    return f"file:{path}"


def failures(lab: Lab, name: str) -> int:
    """Failed attempts that the host's log has counted so far, by PAM and by sudo."""
    lines = lab.exec(name, "journalctl --sync; journalctl -t sudo --no-pager -o cat").decode().splitlines()
    by_pam = sum("authentication failure" in line for line in lines)
    by_sudo = sum("incorrect password attempt" in line for line in lines)
    assert not any("password is required" in line for line in lines), "sudo -n was tried first"
    assert by_pam == by_sudo, lines
    return by_pam


def sudo(password: str | None) -> inventory.Sudo:
    return inventory.Sudo(password=password)


@pytest.mark.parametrize("name", [WITH_PASSWORD, WITHOUT])
@pytest.mark.parametrize(
    "settings",
    [
        "timestamp_timeout=0",  # each call is asked for the password
        "use_pty",
        "lecture=always",
        "insults, passwd_tries=1",
        "requiretty",  # no command without a terminal
        "requiretty, use_pty, timestamp_timeout=0, lecture=always",
        'passprompt="%u のパスワード: ", passprompt_override, badpass_message="違います", pwfeedback',
    ],
)
def test_root_gets_the_payload_whole_and_the_first_try_is_right(
    lab: Lab, sudoers: Sudoers, name: str, settings: str
) -> None:
    sudoers(name, f"Defaults {settings}")
    before = failures(lab, name)
    payload = bytes(range(256)) * 1000
    with connected(lab, name) as host:
        for _ in range(3):
            result = host.run("id -u; cat", root=True, stdin=payload)
            assert result.stdout == b"0\n" + payload
            assert result.stderr == b""
    assert failures(lab, name) == before


def test_wrong_password_is_one_failed_attempt_and_names_the_reference(lab: Lab, wrong_password: str) -> None:
    before = failures(lab, WITH_PASSWORD)
    with (
        connected(lab, WITH_PASSWORD, sudo=sudo(wrong_password)) as host,
        pytest.raises(SudoRefused) as refused,
    ):
        host.run("touch /root/was-here", root=True)
    assert failures(lab, WITH_PASSWORD) == before + 1
    assert f"the one that {wrong_password} names" in str(refused.value)
    assert "not the right one" not in str(refused.value)
    assert lab.exec(WITH_PASSWORD, "[ ! -e /root/was-here ] && echo absent") == b"absent\n"


def test_missing_password_is_refused_at_once(lab: Lab) -> None:
    started = time.monotonic()
    with (
        connected(lab, WITH_PASSWORD, sudo=sudo(None)) as host,
        pytest.raises(SudoRefused, match="asks kanri for a password, and the inventory names none"),
    ):
        host.run("id", root=True, timeout_s=20)
    assert time.monotonic() - started < 15


def test_password_that_nobody_asks_for_does_not_reach_the_script(lab: Lab, wrong_password: str) -> None:
    with connected(lab, WITHOUT, sudo=sudo(wrong_password)) as host:
        assert host.run("id -u; cat", root=True, stdin=b"payload").stdout == b"0\npayload"
        assert host.run("cat", root=True).stdout == b""


def test_old_enterprise_linux_that_wants_a_terminal_gets_one(lab: Lab, sudoers: Sudoers) -> None:
    """Both streams, the end of input, the status and a lock are as without; and nothing stops a run."""
    sudoers("el9", "Defaults requiretty")
    payload = bytes(range(256)) * (8 * 1024 * 1024 // 256)
    with connected(lab, "el9") as host:
        result = host.run("tty; tee /dev/stderr; exit 7", root=True, stdin=payload, check=False)
        assert result == Result(7, b"not a tty\n" + payload, payload)
        with host.hold("flock -n /run/lock/tty sh -c 'echo LOCKED; cat >/dev/null'", root=True) as held:
            assert held.line == "LOCKED"
            assert host.run("flock -n /run/lock/tty true", root=True, check=False).status == 1
        assert host.run("flock -w 5 /run/lock/tty true", root=True).status == 0
    told = runbook("doctor", "el9")
    assert "sudo             ok  kanri becomes root" in told.stdout
    assert told.returncode == 0
    journal = lab.exec("el9", "journalctl --sync; journalctl --no-pager -o cat").decode()
    assert "must have a tty" in journal or "no tty" in journal, "requiretty is not in force"


def test_host_that_wants_a_terminal_and_cannot_give_one_says_which_line_to_change(
    lab: Lab, sudoers: Sudoers
) -> None:
    sudoers("el9", "# of 2009\nDefaults requiretty")
    lab.exec("el9", "mv /usr/bin/script /usr/bin/script-away")
    try:
        with connected(lab, "el9") as host, pytest.raises(SudoRefused) as refused:
            host.run("id", root=True)
        lab.exec(
            "el9", "printf '#!/bin/sh\\n' >/usr/bin/script; chmod 755 /usr/bin/script"
        )  # one too old for it
        with connected(lab, "el9") as host, pytest.raises(SudoRefused, match="gives it none") as old:
            host.run("id", root=True)
        assert "Defaults:kanri !requiretty" in old.value.remedy
        lab.exec("el9", f"rm /usr/bin/script; chmod o+rx {Path(DROP_IN).parent}; chmod o+r {DROP_IN}")
        with connected(lab, "el9") as host, pytest.raises(SudoRefused) as named:
            host.run("id", root=True)
    finally:
        lab.exec("el9", f"mv /usr/bin/script-away /usr/bin/script; chmod o-rx {Path(DROP_IN).parent}")
    for error in (refused.value, named.value):
        assert "sudo wants a terminal of kanri (requiretty" in error.problem
        assert "Defaults:kanri !requiretty" in error.remedy
        assert "install script(1)" in error.remedy
    assert "grep -rn requiretty /etc/sudoers /etc/sudoers.d" in refused.value.remedy
    assert f"by {DROP_IN} line 2 (`Defaults requiretty`)" in named.value.problem


@pytest.mark.parametrize(
    ("lines", "said", "remedy"),
    [
        pytest.param(
            "kanri ALL=(ALL) NOPASSWD: !ALL",
            "not allowed to execute",
            "kanri ALL=(ALL) ALL",
            id="no right to run sh",
        ),
    ],
)
@pytest.mark.parametrize("name", [WITH_PASSWORD, WITHOUT, "el9"])
def test_refusal_says_which_line_of_sudoers_is_missing(
    lab: Lab, sudoers: Sudoers, name: str, lines: str, said: str, remedy: str
) -> None:
    sudoers(name, lines)
    with connected(lab, name) as host, pytest.raises(SudoRefused, match=said) as refused:
        host.run("id", root=True)
    assert remedy in refused.value.remedy


def test_user_who_is_not_in_sudoers_is_told_the_line(lab: Lab) -> None:
    lab.exec(WITH_PASSWORD, "mv /etc/sudoers.d/kanri /root/kanri-sudoers")
    try:
        with connected(lab, WITH_PASSWORD) as host, pytest.raises(SudoRefused) as refused:
            host.run("id", root=True)
    finally:
        lab.exec(WITH_PASSWORD, "mv /root/kanri-sudoers /etc/sudoers.d/kanri")
    assert "kanri ALL=(ALL) ALL" in refused.value.remedy


def test_host_without_sudo_says_to_install_it(lab: Lab) -> None:
    lab.exec(WITHOUT, "mv /usr/bin/sudo /usr/bin/sudo-away")
    try:
        with connected(lab, WITHOUT) as host, pytest.raises(SudoRefused, match="No such file") as refused:
            host.run("id", root=True)
    finally:
        lab.exec(WITHOUT, "mv /usr/bin/sudo-away /usr/bin/sudo")
    assert "install sudo" in refused.value.remedy


def test_sudo_that_asks_for_something_else_ends_at_its_deadline(lab: Lab) -> None:
    """A code or a finger cannot be given; the message has what was asked."""
    lab.exec(WITHOUT, "printf '#!/bin/sh\\necho Touch the reader: >&2\\nsleep 30\\n' >/usr/local/bin/sudo")
    lab.exec(WITHOUT, "chmod 755 /usr/local/bin/sudo")
    try:
        with connected(lab, WITHOUT) as host, pytest.raises(SudoRefused, match="Touch the reader"):
            host.run("id", root=True, timeout_s=2)
    finally:
        lab.exec(WITHOUT, "rm /usr/local/bin/sudo")


@pytest.mark.parametrize("name", [WITH_PASSWORD, WITHOUT])
def test_neither_password_nor_script_nor_payload_is_seen_by_other_users(lab: Lab, name: str) -> None:
    """While a root script runs, its words are on no command line and in no environment of the host."""
    words = ("SCRIPT-WORD-51c2", "PAYLOAD-WORD-77aa", lab.secret("sudo") if name == WITH_PASSWORD else "-")
    look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '"
    with connected(lab, name) as host:
        script = f": SCRIPT-WORD-51c2; read -r word; echo ready; {look}; sleep 0.1"
        seen = host.run(script, root=True, stdin=b"PAYLOAD-WORD-77aa\n").text
    assert "sudo -S" in seen
    for word in words[:2] + ((words[2],) if words[2] != "-" else ()):
        assert word not in seen


def test_password_is_in_no_log_of_the_host(lab: Lab) -> None:
    with connected(lab, WITH_PASSWORD) as host:
        host.run("echo SCRIPT-WORD-9e1f >/dev/null", root=True)
    journal = lab.exec(WITH_PASSWORD, "journalctl --sync; journalctl --no-pager -o cat").decode()
    assert "COMMAND=/usr/bin/sh -c" in journal
    assert "SCRIPT-WORD-9e1f" not in journal
    assert lab.secret("sudo") not in journal
