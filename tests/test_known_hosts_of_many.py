"""A known_hosts file of many hosts is taken apart once, and says the same of each of them."""

import base64
import fnmatch
from pathlib import Path

import pytest

from runbook_lib.remote import hostkeys
from runbook_lib.remote.hostkeys import HostKey, KnownHosts

KEY = base64.b64encode(b"a key").decode()
COLUMNS = (
    "mail1", "MAIL1", "mail1,192.0.2.1", "mail*", "mail?", "*", "!mail1,mail*", "mail*,!mail1", "!mail1",
    "[mail1]:2222", "[mail*]:2222", "[mail1]", "mail[1]", "fd77:1::1", "mail1,", "", "mail\\1", "mail]1", "!", "?",
    "!*,mail1",
)  # fmt: skip
NAMES = (
    "mail1",
    "Mail1",
    "mail12",
    "192.0.2.1",
    "[mail1]:2222",
    "mail",
    "fd77:1::1",
    "mail[1]",
    "",
    "mail]1",
    "mail\\1",
)


def as_patterns(hosts: str, name: str) -> bool:
    """As sshd(8) has it, each of them taken for a pattern."""
    found = False
    for pattern in hosts.lower().split(","):
        if fnmatch.fnmatchcase(name.lower(), pattern.removeprefix("!").replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            found = True
    return found


@pytest.mark.parametrize("hosts", COLUMNS)
def test_a_name_without_a_pattern_is_what_it_says(hosts: str) -> None:
    line = hostkeys._Line("", hosts, HostKey("ssh-ed25519", b""), Path("known_hosts"), 1)
    assert [line.matches(name) for name in NAMES] == [as_patterns(hosts, name) for name in NAMES]


def test_a_file_is_taken_apart_again_where_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    parse = hostkeys._parse

    def watched(text: str, path: Path, number: int) -> hostkeys._Line | None:
        taken.append(number)
        return parse(text, path, number)

    monkeypatch.setattr(hostkeys, "_parse", watched)
    path = tmp_path / "known_hosts"
    path.write_bytes(b"".join(f"mail{number} ssh-ed25519 {KEY}\r\n".encode() for number in range(50)))
    for number in range(50):
        ((key, place),) = KnownHosts.read(path).keys_of([f"mail{number}"])
        assert (key, place) == (HostKey("ssh-ed25519", b"a key"), f"{path}:{number + 1}")
    assert len(taken) == 51  # with what is behind the last line
    path.write_text(f"mail7 ssh-ed25519 {KEY}\n")
    assert KnownHosts.read(path).keys_of(["mail0"]) == []
    assert KnownHosts.read(path).keys_of(["mail7"]) == [(HostKey("ssh-ed25519", b"a key"), f"{path}:1")]
    assert len(taken) == 53
    path.unlink()
    assert KnownHosts.read(path).keys_of(["mail7"]) == []
