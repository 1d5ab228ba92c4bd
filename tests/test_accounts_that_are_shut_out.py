"""An account that may not work is told by sshd's and sudo's own words; nobody is sent to mend a key or a password."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from remote_hosts import SSHD_ANEW, connected, model, site

from lab import Lab
from runbook_lib import doctor, remote
from runbook_lib.errors import HostUnreachable, LoginRefused, RunbookError, SudoRefused

HOST = "debian12"
KEYS, SUDOERS, SSHD = (
    "~kanri/.ssh/authorized_keys",
    "/etc/sudoers.d/zz-test",
    "/etc/ssh/sshd_config.d/zz-test.conf",
)
CLOUD = 'command="echo Please login as the user admin rather than root.;echo;sleep 3;exit 142" '


def forced(command: str) -> str:
    return f"sed -i 's/^/{command}/' {KEYS}"


def defaults(words: str) -> str:
    return f"umask 337; echo 'Defaults {words}' >{SUDOERS}; visudo -cq"


# What an administrator did; the error; what it says; what is to be done about it; the row of `doctor`.
SHUT_OUT: dict[str, tuple[str, type[RunbookError], str, str, str]] = {
    "a command before the key, as cloud images have it": (
        forced(CLOUD), HostUnreachable,
        "another command is run for kanri in place of every other; it said: Please login as the user admin",
        "log in as the account that it names", "login shell",
    ),
    "ForceCommand internal-sftp": (
        f"echo 'ForceCommand internal-sftp' >{SSHD}; {SSHD_ANEW}", HostUnreachable,
        "nothing but internal-sftp for kanri; it said: This service allows sftp connections only.",
        "see ForceCommand in `sshd -T -C user=kanri`", "login shell",
    ),
    "a password that has to be changed": (
        "chage -d 0 kanri", HostUnreachable, "Password change required but no TTY available.", "chage -l kanri",
        "login shell",
    ),
    "an expired account": (
        "usermod -e 1970-01-02 kanri", LoginRefused, "it said: Your account has expired;", "chage -E -1 kanri",
        "login key",
    ),
    "an account shut out for now": (
        "echo 'maintenance until 17:00' >/etc/nologin", LoginRefused, "it said: maintenance until 17:00", "journalctl",
        "login key",
    ),
    **{
        words: (
            defaults(words), SudoRefused, "sudo asks kanri for the password of root (targetpw, rootpw or runaspw in",
            f"Defaults:kanri !{words}", "sudo",
        )
        for words in ("targetpw",)
    },
    "rootpw": (defaults("rootpw"), SudoRefused, "for the password of root", "rootpw", "sudo"),
    "runaspw": (defaults("runaspw"), SudoRefused, "for the password of root", "runaspw", "sudo"),
    "a password of root that has to be changed": (
        f'usermod -p "$(getent shadow kanri | cut -d: -f2)" root; chage -d 0 root; {defaults("rootpw")}', SudoRefused,
        "is expired", "`chage -l root` say whose", "sudo",
    ),
    "noexec": (
        defaults("noexec"), SudoRefused, "(noexec in sudoers); it said: sh: 1: dd: Permission denied",
        "Defaults:kanri !noexec", "sudo",
    ),
}  # fmt: skip


@contextmanager
def shut_out(lab: Lab, how: str) -> Iterator[None]:
    lab.exec(HOST, f"cp -p /etc/shadow /root/shadow.kept; cp -p {KEYS} /root/keys.kept; {how}")
    try:
        yield
    finally:
        lab.exec(
            HOST,
            f"cp -p /root/shadow.kept /etc/shadow; cp -p /root/keys.kept {KEYS}; rm -f {SUDOERS} /etc/nologin\n"
            f"if [ -e {SSHD} ]; then rm {SSHD}; {SSHD_ANEW}; fi",
        )


@pytest.fixture(scope="module")
def bare(lab: Lab) -> None:
    lab.reset(HOST, "bare")


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("case", SHUT_OUT)
def test_what_shuts_an_account_out_is_said_with_what_helps(lab: Lab, case: str) -> None:
    how, kind, said, remedy, row = SHUT_OUT[case]
    with shut_out(lab, how):
        with pytest.raises(kind) as refused, connected(lab, HOST) as host:
            host.run("id -u", root=True, timeout_s=25)
        host_of_today = model(lab, HOST)
        found = {one.what: one for one in doctor.examine(site(lab), host_of_today)}
        if open_still := remote.connected(host_of_today):
            open_still.close()  # sshd asks about an account when it logs in
    for text in (refused.value.problem, found[row].seen):
        assert said in text
    assert remedy in refused.value.remedy
    assert found[row].to_do == refused.value.remedy
    assert not any(one.standing == "stops a run" for what, one in found.items() if what != row)
    for blamed in ("put the right password", "give kanri a shell", "name the one right key"):
        assert blamed not in refused.value.remedy


@pytest.mark.usefixtures("bare")
def test_an_account_that_expires_while_it_is_logged_in_is_told_by_sudo(lab: Lab) -> None:
    with connected(lab, HOST) as host:
        host.run("true")
        with shut_out(lab, "usermod -e 1970-01-02 kanri"), pytest.raises(SudoRefused) as refused:
            host.run("id -u", root=True, timeout_s=25)
    assert "account validation failure" in refused.value.problem
    assert "chage -E -1" in refused.value.remedy


@pytest.mark.usefixtures("bare")
def test_no_look_is_half_read_where_root_may_start_nothing(lab: Lab) -> None:
    """Whatever a caller makes of a status: there is none, since nothing ran."""
    with (
        shut_out(lab, defaults("noexec")),
        connected(lab, HOST) as host,
        pytest.raises(SudoRefused, match="Nothing was changed"),
    ):
        host.run("[ -e /etc/postfix ] && echo there", root=True, check=False)
