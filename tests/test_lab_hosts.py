"""What a lab host is: a server with systemd, sshd, an administrator and mail users."""

import socket
import subprocess

import pytest

from lab import Lab
from lab.host_images import image_tag
from lab.hosts import ADMINISTRATOR, HARD_PASSWORD, MAIL_USERS, SUDO_WITH_PASSWORD
from lab.recipes import EARLY_STATES
from lab.releases import RELEASES


def ssh(
    lab: Lab, name: str, command: str, *options: str, known_hosts: str = ""
) -> subprocess.CompletedProcess[str]:
    """OpenSSH's own client, strict about host keys and with no key but the lab's."""
    host = lab.host(name)
    words = [
        "ssh", "-F", "none", "-i", str(lab.folder / "id_ed25519"), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
        "-o", f"UserKnownHostsFile={known_hosts or lab.folder / 'known_hosts'}", "-o", "GlobalKnownHostsFile=none",
        "-o", "StrictHostKeyChecking=yes", *options, f"{ADMINISTRATOR}@{host.address}", command,
    ]  # fmt: skip
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("state", EARLY_STATES)
@pytest.mark.parametrize(
    "any_host", [name for name, release in RELEASES.items() if release.family == "debian"]
)
def test_each_state_is_what_it_says(lab: Lab, any_host: str, state: str) -> None:
    """Bare has no Postfix and no package lists; fresh has Postfix accepting mail, and nothing set in it."""
    lab.reset(any_host, state)
    installed = lab.exec(any_host, "command -v postconf || true").decode().strip()
    candidate = lab.exec(any_host, "apt-cache policy postfix").decode()
    if state == "bare":
        assert installed == ""
        assert candidate == ""
    else:
        assert "Candidate: 3." in candidate
        with socket.create_connection((lab.host(any_host).address, 25), timeout=10) as connection:
            assert connection.recv(200).startswith(
                f"220 {lab.host(any_host).release.hostname} ESMTP".encode()
            )


def test_ssh_answers_on_both_families_as_soon_as_reset_returns(lab: Lab, any_host: str) -> None:
    host = lab.reset(any_host)
    for address in (host.address, host.address6):
        with socket.create_connection((address, 22), timeout=2) as connection:
            assert connection.recv(4) == b"SSH-"


def test_host_keys_outlive_a_reset_and_strict_checking_holds(
    lab: Lab, any_host: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The key is the host's identity: known before and after a reset, and no other is let in."""
    lab.reset(any_host)
    first = ssh(lab, any_host, "hostname")
    lab.reset(any_host)
    second = ssh(lab, any_host, "hostname")
    assert first.stdout == second.stdout == f"{lab.host(any_host).release.hostname}\n", second.stderr

    other = next(name for name in RELEASES if name != any_host)
    known = (lab.folder / "known_hosts").read_text()
    wrong = tmp_path_factory.mktemp("wrong") / "known_hosts"
    wrong.write_text(
        "".join(
            f"{lab.host(any_host).address} {line.split(' ', 1)[1]}\n"
            for line in known.splitlines()
            if lab.host(other).address in line
        )
    )
    refused = ssh(lab, any_host, "hostname", known_hosts=str(wrong))
    assert refused.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr


@pytest.mark.usefixtures("lab")
def test_images_hold_no_host_key_and_no_password(any_host: str) -> None:
    """Keys and passwords are a lab's own; an image is shared by all labs of the machine."""
    image = image_tag(RELEASES[any_host], "fresh")
    shown = subprocess.run(
        ["podman", "--log-level=error", "run", "--rm", "--network=none", "--ulimit=nofile=1024:1024",
         "--ulimit=nproc=1024:1024", image, "sh", "-c", "ls /etc/ssh; cat /etc/shadow"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert "sshd_config" in shown
    assert "ssh_host_" not in shown
    for user in (ADMINISTRATOR, *MAIL_USERS):
        assert f"{user}:!:" in shown


def test_sudo_asks_for_a_password_on_one_host_only(lab: Lab, any_host: str) -> None:
    asked = ssh(lab, any_host, "sudo -n id -u")
    if any_host == SUDO_WITH_PASSWORD:
        assert asked.returncode != 0
        assert "a password is required" in asked.stderr
        given = subprocess.run(
            [*asked.args[:-1], "sudo -S -p '' id -u"],
            input=lab.secret("sudo") + "\n", capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        assert given.stdout == "0\n"
    else:
        assert asked.stdout == "0\n"


def test_one_host_has_no_python(lab: Lab) -> None:
    """So that every test of the runbook there shows that none is needed."""
    found = lab.exec(
        "debian12", "ls /usr/bin /usr/local/bin | grep -i python || true; dpkg-query -W -f '${Package}\\n'"
    )
    assert b"python" not in found
    assert lab.exec("debian13", "command -v python3").strip() == b"/usr/bin/python3"


def test_pam_accepts_the_hard_password_and_no_other(lab: Lab, any_host: str) -> None:
    """Blanks, both quotes, %, $, a backslash and letters beyond ASCII reach PAM byte by byte."""
    for needed in (" ", '"', "'", "%", "$", "\\"):
        assert needed in HARD_PASSWORD
    assert not HARD_PASSWORD.isascii()
    assert HARD_PASSWORD.strip() != HARD_PASSWORD
    # An ordinary user becoming another: su asks PAM, and takes the password as a line of its standard input.
    for password, verdict in ((HARD_PASSWORD, b"tarou\n"), (HARD_PASSWORD.strip(), b"refused\n")):
        become = (
            f"su hanako -c 'su tarou -c \"id -un\"' 2>/dev/null <<'LINE' || echo refused\n{password}\nLINE\n"
        )
        assert lab.exec(any_host, become) == verdict


def test_a_reboot_brings_the_host_back_with_its_files(lab: Lab, any_host: str) -> None:
    lab.reset(any_host)
    lab.exec(any_host, "echo kept >/root/kept; touch /run/gone")
    # In ticks since the machine started, which no clock that is set can put back (proc(5), starttime).
    started = "sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 20"
    before = int(lab.exec(any_host, started))
    lab.reboot(any_host)
    assert lab.exec(any_host, "cat /root/kept") == b"kept\n"
    assert lab.exec(any_host, "ls /run/gone 2>/dev/null || echo gone") == b"gone\n"
    assert int(lab.exec(any_host, started)) > before


def test_a_state_that_was_kept_comes_back(lab: Lab, any_host: str) -> None:
    """What takes long is done once: the files are as they were, the host's keys too."""
    lab.reset(any_host)
    lab.exec(any_host, "echo settled >/etc/settled")
    lab.keep(any_host, "settled")
    kept = lab.tree(any_host, "/etc")
    lab.reset(any_host)
    assert lab.exec(any_host, "cat /etc/settled 2>/dev/null || echo none") == b"none\n"
    lab.reset(any_host, "settled")
    assert lab.tree(any_host, "/etc") == kept
    assert ssh(lab, any_host, "cat /etc/settled").stdout == "settled\n"
