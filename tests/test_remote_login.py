"""Which keys are offered: the inventory's alone, else those that ssh would offer, in its order; refusals say which."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_hosts import SECOND_PORT, connected, make_keys, model, public, second_sshd, site, wait_until

from lab import Lab
from runbook_lib import remote
from runbook_lib.errors import LoginRefused

HOST = "debian12"


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    return make_keys(tmp_path / "keys", ["ed25519"])


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An agent with ten keys that no host knows."""
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    wait_until(path.exists)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    for number in range(10):
        key = make_keys(tmp_path / f"agent-{number}", ["ed25519"])["ed25519"]
        subprocess.run(["ssh-add", "-q", key], check=True, capture_output=True, timeout=10)
    yield path
    process.terminate()
    process.wait(timeout=10)


def offered(lab: Lab, log: Path) -> tuple[int, int]:
    """Keys that sshd refused and took, by its log."""
    text = lab.exec(HOST, f"cat {log}").decode()
    return text.count("Failed publickey"), text.count("Accepted publickey")


@pytest.mark.usefixtures("agent")
def test_key_of_the_inventory_is_the_first_and_only_one(
    lab: Lab, keys: dict[str, Path], tmp_path: Path
) -> None:
    """An agent full of other keys does not use up the three tries that the host allows."""
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"[{lab.host(HOST).address}]:{SECOND_PORT} {public(keys['ed25519'])}\n")
    there = {"port": SECOND_PORT}
    with second_sshd(lab, HOST, list(keys.values()), "MaxAuthTries=3") as log:
        host = remote.connect(site(lab, known_hosts), model(lab, HOST, **there))
        assert host.run("echo in").text == "in"
        host.close()
        assert offered(lab, log) == (0, 1)
        with pytest.raises(LoginRefused, match=r"Too many authentication failures|ends the login") as refused:
            remote.connect(site(lab, known_hosts), model(lab, HOST, key=None, **there))
        assert f"hosts.{HOST}.key" in refused.value.remedy


@pytest.mark.usefixtures("agent")
def test_without_a_key_in_the_inventory_the_agent_is_asked(lab: Lab) -> None:
    subprocess.run(["ssh-add", "-q", "-D"], check=True, capture_output=True, timeout=10)
    subprocess.run(["ssh-add", "-q", lab.folder / "id_ed25519"], check=True, capture_output=True, timeout=10)
    with connected(lab, HOST, key=None) as host:
        assert host.run("echo in").text == "in"


def copy_of_lab_key(lab: Lab, folder: Path) -> Path:
    key = folder / "id"
    key.touch(mode=0o600)
    key.write_text((lab.folder / "id_ed25519").read_text())
    (folder / "id.pub").write_text((lab.folder / "id_ed25519.pub").read_text())
    return key


@pytest.mark.usefixtures("agent")
def test_encrypted_key_is_taken_from_the_agent_that_holds_it(lab: Lab, tmp_path: Path) -> None:
    key = copy_of_lab_key(lab, tmp_path)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a passphrase", "-f", key],
        check=True,
        timeout=10,
        capture_output=True,
    )
    with pytest.raises(LoginRefused, match="is encrypted, and no agent holds it"):
        remote.connect(site(lab), model(lab, HOST, key=str(key)))
    subprocess.run(["ssh-add", "-q", lab.folder / "id_ed25519"], check=True, capture_output=True, timeout=10)
    with connected(lab, HOST, key=str(key)) as host:
        assert host.run("echo in").text == "in"


def test_certificate_that_the_host_does_not_trust_does_not_hide_the_key(
    lab: Lab, keys: dict[str, Path], tmp_path: Path
) -> None:
    key = copy_of_lab_key(lab, tmp_path)
    subprocess.run(
        ["ssh-keygen", "-q", "-s", keys["ed25519"], "-I", "x", "-n", "kanri", f"{key}.pub"],
        check=True,
        capture_output=True,
        timeout=10,
    )
    assert (tmp_path / "id-cert.pub").exists()
    with connected(lab, HOST, key=str(key)) as host:
        assert host.run("echo in").text == "in"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"user": "nobody-here"}, "the host refuses nobody-here; offered: ", id="unknown user"),
        pytest.param({"key": "/nonexistent/key"}, "cannot be read: No such file", id="no key file"),
        pytest.param({"key": "/dev/null"}, "cannot be read: neither Ed25519", id="no key in the file"),
    ],
)
def test_refused_login_says_what_was_offered(lab: Lab, changes: dict[str, object], said: str) -> None:
    with pytest.raises(LoginRefused, match=said):
        remote.connect(site(lab), model(lab, HOST, **changes))
