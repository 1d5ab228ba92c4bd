"""A batch takes its looks in one shell of root: sudo is asked once, and each is as if it had a shell of its own."""

from collections.abc import Iterator

import pytest
from remote_hosts import SSHD_ANEW, connected

from lab import Lab
from runbook_lib import remote
from runbook_lib.errors import CommandFailed, DeadlineExceeded, OutputTooLong, SudoRefused

NAME = "debian12"  # whose sudo wants a password
FUNNY = bytes(range(1, 256)) * 5000


@pytest.fixture
def host(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[remote.Host]:
    monkeypatch.setattr(remote.Host, "keeps_root_shell", True)
    with connected(lab, NAME) as there:
        there.run("rm -f /run/test-root-shell", root=True)
        yield there
        there.run("rm -f /run/test-root-shell", root=True)


def sudos(lab: Lab) -> int:
    """How many commands sudo has run on the host."""
    script = "journalctl --sync; journalctl -t sudo --no-pager -o cat"
    return lab.exec(NAME, script).decode().count("COMMAND=")


def test_looks_take_one_sudo_and_each_change_asks_its_own(lab: Lab, host: remote.Host) -> None:
    before = sudos(lab)
    for _ in range(3):
        assert host.run("id -u", root=True, look=True).text == "0"
    assert sudos(lab) == before + 1
    host.run("touch /run/test-root-shell", root=True)
    host.run("cat", root=True, look=True, stdin=b"what it reads needs a shell of its own")
    assert sudos(lab) == before + 3


def test_a_person_s_notebook_leaves_no_shell_of_root_waiting(lab: Lab) -> None:
    assert not remote.Host.keeps_root_shell
    before = sudos(lab)
    with connected(lab, NAME) as there:
        for _ in range(2):
            there.run("true", root=True, look=True)
        assert sudos(lab) == before + 2
        assert b"runbook_mark" not in lab.exec(NAME, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert there.run("id -u").text != "0"


def test_a_look_is_as_in_a_shell_of_its_own(host: remote.Host) -> None:
    """Bytes, both streams, status, input, and nothing of it reaches the next look."""
    octal = "".join(f"\\{byte:03o}" for byte in FUNNY[:255])
    many = host.run(f"printf '{octal}' >&2; i=0; while [ $i -lt 5000 ]; do printf '{octal}'; i=$((i+1)); done",
                    root=True, look=True)  # fmt: skip
    assert (many.status, many.stdout, many.stderr) == (0, FUNNY, FUNNY[:255])
    for script, status in (
        ("exit 7", 7),
        ("set -eu; false", 1),
        ("sh -c 'kill -9 $$'", 137),
        (": ${nothing:?}", 2),
    ):
        assert host.run(script, root=True, look=True, check=False).status == status, script
    assert host.run(
        "kept=1; cd /; trap 'echo trapped' EXIT; exec 2>&1; printf end", root=True, look=True
    ).text == ("endtrapped")
    assert host.run('echo "${kept-unset}"; cat', root=True, look=True).text == "unset"
    with pytest.raises(CommandFailed) as caught:
        host.run("echo why >&2; exit 3", root=True, look=True)
    assert (caught.value.status, caught.value.stderr) == (3, b"why\n")
    assert "echo why" in caught.value.problem


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        (lambda there: there.run("sleep 60", root=True, look=True, timeout_s=3), DeadlineExceeded),
        (lambda there: there.run("yes", root=True, look=True, limit_bytes=10_000), OutputTooLong),
    ],
)
def test_after_a_look_that_was_cut_off_the_next_has_its_own_answer(
    host: remote.Host, ending: object, error: type[Exception]
) -> None:
    assert host.run("echo first", root=True, look=True).text == "first"
    with pytest.raises(error):
        ending(host)  # type: ignore[operator]
    assert host.run("echo second", root=True, look=True).text == "second"


def test_a_look_whose_shell_was_ended_is_taken_again(host: remote.Host) -> None:
    """As by `command_timeout` of sudoers: the parent of the subshell is the shell that is kept."""
    mark = "/run/test-root-shell"
    script = f"if [ -e {mark} ]; then echo again; else touch {mark}; kill -9 $$; sleep 30; fi"
    assert host.run(script, root=True, look=True).text == "again"
    assert host.run("echo next", root=True, look=True).text == "next"


def test_who_may_no_longer_become_root_gets_no_change_through_the_shell_that_waits(
    lab: Lab, host: remote.Host
) -> None:
    host.run("true", root=True, look=True)
    lab.exec(NAME, "mv /etc/sudoers.d/kanri /root/kanri.sudoers")
    try:
        with pytest.raises(SudoRefused):
            host.run("touch /run/test-root-shell", root=True)
    finally:
        lab.exec(NAME, "mv /root/kanri.sudoers /etc/sudoers.d/kanri")
    assert (
        host.run("test -e /run/test-root-shell || echo not there", root=True, look=True).text == "not there"
    )


def test_where_sshd_allows_one_session_a_change_has_it(lab: Lab, host: remote.Host) -> None:
    drop_in = "/etc/ssh/sshd_config.d/test.conf"
    lab.exec(NAME, f"echo 'MaxSessions 1' >{drop_in}; {SSHD_ANEW}")
    try:
        host.close()
        assert host.run("echo looked", root=True, look=True).text == "looked"
        assert host.run("echo changed", root=True).text == "changed"
        assert host.run("echo looked", root=True, look=True).text == "looked"
    finally:
        lab.exec(NAME, f"rm {drop_in}; {SSHD_ANEW}")
        host.close()
