"""A host is let in by its known key alone: others are refused, unknown or changed, and nothing is learnt."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_hosts import SECOND_PORT, fingerprint, make_keys, model, public, second_sshd, site

from lab import Lab
from runbook_lib import remote
from runbook_lib.errors import HostKeyChanged, HostKeyRevoked, HostKeyUnknown

HOST = "debian12"


@pytest.fixture(scope="module")
def keys(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The host keys of an sshd on port 2222, one of each type."""
    keys = make_keys(tmp_path_factory.mktemp("host-keys") / "keys")
    with second_sshd(lab, HOST, list(keys.values())):
        yield keys


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Keys of somebody else."""
    return make_keys(tmp_path_factory.mktemp("others") / "keys")


@pytest.fixture
def known_hosts(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


def name(lab: Lab) -> str:
    return f"[{lab.host(HOST).address}]:{SECOND_PORT}"


def greet(lab: Lab, known_hosts: Path) -> str:
    """Connect to port 2222 and let the host say a word."""
    host = remote.connect(site(lab, known_hosts), model(lab, HOST, port=SECOND_PORT))
    try:
        return host.run("echo welcome").text
    finally:
        host.close()


def test_hashed_entry_of_another_port_is_found(lab: Lab, keys: dict[str, Path], known_hosts: Path) -> None:
    known_hosts.write_text(f"{name(lab)} {public(keys['ed25519'])}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known_hosts], check=True, capture_output=True, timeout=60)
    assert lab.host(HOST).address not in known_hosts.read_text()
    assert greet(lab, known_hosts) == "welcome"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_only_the_known_type_is_asked_for(
    lab: Lab, keys: dict[str, Path], known_hosts: Path, kind: str
) -> None:
    """The host has keys of all types; the one in the file is of the one type given, and it is found."""
    known_hosts.write_text(f"{name(lab)} {public(keys[kind])}\n")
    assert greet(lab, known_hosts) == "welcome"


def test_patterns_and_markers_do_not_blind_the_file(
    lab: Lab, keys: dict[str, Path], others: dict[str, Path], known_hosts: Path
) -> None:
    known_hosts.write_text(
        f"@cert-authority *.example.org {public(others['ed25519'])}\n"
        f"@revoked * {public(others['rsa'])}\n"
        f"not a line of the format\n{name(lab)} ssh-ed25519 %%%\n"
        f"[10.77.*]:{SECOND_PORT},!*.example.org {public(keys['ed25519'])}\n"
    )
    assert greet(lab, known_hosts) == "welcome"


def test_key_is_found_under_the_name_in_the_inventory(
    lab: Lab, keys: dict[str, Path], known_hosts: Path
) -> None:
    known_hosts.write_text(f"[{HOST}]:{SECOND_PORT} {public(keys['ed25519'])}\n")
    assert greet(lab, known_hosts) == "welcome"


def test_unknown_key_is_refused_with_fingerprints_and_the_line_to_add(
    lab: Lab, keys: dict[str, Path], known_hosts: Path
) -> None:
    with pytest.raises(HostKeyUnknown) as refused:
        greet(lab, known_hosts)
    said = str(refused.value)
    for key in keys.values():
        assert fingerprint(key) in said
    assert f"{name(lab)} or [{HOST}]:{SECOND_PORT} has no key in {known_hosts}" in said
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in said
    assert f"{name(lab)} {public(keys['ed25519'])}" in said
    assert not known_hosts.exists()


@pytest.mark.usefixtures("keys")
def test_line_to_add_lets_the_host_in(lab: Lab, known_hosts: Path) -> None:
    with pytest.raises(HostKeyUnknown) as refused:
        greet(lab, known_hosts)
    known_hosts.write_text(refused.value.remedy.splitlines()[-1].strip() + "\n")
    assert greet(lab, known_hosts) == "welcome"


@pytest.mark.parametrize(
    "hosts",
    [
        pytest.param("{address}", id="the entry is for port 22"),
        pytest.param("[{address}]:2222,![{address}]:2222", id="the pattern leaves it out"),
        pytest.param("[10.77.?]:2222", id="a question mark is one letter"),
    ],
)
def test_entry_for_something_else_lets_nobody_in(
    lab: Lab, keys: dict[str, Path], known_hosts: Path, hosts: str
) -> None:
    known_hosts.write_text(f"{hosts.format(address=lab.host(HOST).address)} {public(keys['ed25519'])}\n")
    with pytest.raises(HostKeyUnknown):
        greet(lab, known_hosts)


def test_host_known_only_by_an_authority_is_unknown_and_says_so(
    lab: Lab, keys: dict[str, Path], known_hosts: Path
) -> None:
    known_hosts.write_text(f"@cert-authority * {public(keys['ed25519'])}\n")
    with pytest.raises(HostKeyUnknown, match="only by a @cert-authority line"):
        greet(lab, known_hosts)


def test_changed_key_is_refused_with_both_fingerprints(
    lab: Lab, keys: dict[str, Path], others: dict[str, Path], known_hosts: Path
) -> None:
    known_hosts.write_text(f"# kept by hand\n{name(lab)} {public(others['ed25519'])}\n")
    before = known_hosts.read_bytes()
    with pytest.raises(HostKeyChanged) as refused:
        greet(lab, known_hosts)
    said = str(refused.value)
    assert f"known: 256 {fingerprint(others['ed25519'])} (ED25519) at {known_hosts}:2" in said
    assert f"shown: 256 {fingerprint(keys['ed25519'])} (ED25519)" in said
    assert name(lab) in said
    assert known_hosts.read_bytes() == before


def test_other_key_of_the_known_type_is_refused_beside_a_new_one_of_another(
    lab: Lab, keys: dict[str, Path], others: dict[str, Path], known_hosts: Path
) -> None:
    """An attacker who shows an RSA key nobody knows does not pass as an unknown host (or as a known one)."""
    known_hosts.write_text(f"{name(lab)} {public(others['ecdsa'])}\n")
    with pytest.raises(HostKeyChanged) as refused:
        greet(lab, known_hosts)
    assert fingerprint(keys["ecdsa"]) in str(refused.value)


def test_host_without_a_key_of_the_known_type_is_changed_not_unknown(
    lab: Lab, others: dict[str, Path], known_hosts: Path
) -> None:
    known_hosts.write_text(f"[{lab.host('debian13').address}]:{SECOND_PORT} {public(others['ed25519'])}\n")
    with (
        second_sshd(lab, "debian13", [others["rsa"]]),
        pytest.raises(HostKeyChanged) as refused,
    ):
        remote.connect(site(lab, known_hosts), model(lab, "debian13", port=SECOND_PORT))
    assert f"known: 256 {fingerprint(others['ed25519'])} (ED25519)" in str(refused.value)
    assert f"shown: 3072 {fingerprint(others['rsa'])} (RSA)" in str(refused.value)


def test_revoked_key_is_refused_even_where_it_is_known(
    lab: Lab, keys: dict[str, Path], known_hosts: Path
) -> None:
    known_hosts.write_text(f"{name(lab)} {public(keys['ed25519'])}\n@revoked x {public(keys['ed25519'])}\n")
    with pytest.raises(HostKeyRevoked, match=f"{known_hosts}:2 revokes"):
        greet(lab, known_hosts)


@pytest.mark.usefixtures("keys")
def test_unreadable_file_is_told_and_lets_nobody_in(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(HostKeyUnknown, match="cannot be read: Is a directory"):
        greet(lab, tmp_path)


def test_host_key_is_shown_as_ssh_keygen_prints_it(
    lab: Lab, keys: dict[str, Path], known_hosts: Path
) -> None:
    known_hosts.write_text(f"{name(lab)} {public(keys['rsa'])}\n")
    host = remote.connect(site(lab, known_hosts), model(lab, HOST, port=SECOND_PORT))
    try:
        assert host.host_key.fingerprint == fingerprint(keys["rsa"])
        assert host.host_key.line == public(keys["rsa"])
    finally:
        host.close()
