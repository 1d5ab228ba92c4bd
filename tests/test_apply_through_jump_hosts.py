"""Chapter 2 on a host that only jump hosts reach, and back; each jump has an account and a key of its own.

The host's sshd, its key and the lab's proof are its own; only who may connect to it is changed.
"""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from applied_host import run_chapters
from behind_jump_hosts import HOST, JUMP, SECOND_JUMP, Behind, jump_account, only_through_jumps
from remote_hosts import SECOND_PORT, fingerprint, make_keys, model, public, site
from supported import changing
from trees import MAY_DIFFER, changed

from lab import Lab
from runbook_lib import remote
from runbook_lib.errors import HostUnreachable

POSTFIX = "20-postfix-debian"
WAY = f"ops@gw:{SECOND_PORT},kanri@gw2"


@pytest.fixture
def behind(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behind]:
    """Where nothing but the way's own keys and known keys is in ~/.ssh."""
    lab.reset(HOST, "fresh")
    run_chapters(HOST, chapters=tuple(chapter for chapter in changing(HOST) if chapter != POSTFIX))
    for open_host in list(remote.connection._hosts.values()):
        open_host.close()
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with jump_account(lab, tmp_path) as keys, only_through_jumps(lab, 22):
        yield Behind(lab, tmp_path / "home", {**keys, "host": keys["jump"]})


def written(behind: Behind, **known: str) -> None:
    second = [
        "Host gw2",
        f"  HostName {behind.address(SECOND_JUMP)}",
        f"  IdentityFile {behind.lab.folder}/id_ed25519",
    ]
    behind.write(*second, lab=(behind.lab.folder / "known_hosts").read_text(), **known)


def test_apply_and_rollback_go_through_both_jump_hosts(behind: Behind, tmp_path: Path) -> None:
    lab, before = behind.lab, behind.lab.tree(HOST)
    with pytest.raises(HostUnreachable, match="Connection refused"):
        remote.connect(site(lab), model(lab, HOST))

    other = make_keys(tmp_path / "other", ["ed25519"])["ed25519"]
    written(behind, jump=f"[{behind.address(JUMP)}]:{SECOND_PORT} {public(other)}")
    refused = behind.typed(tmp_path, "apply", "--only", POSTFIX, "--host", HOST, jump=WAY)
    assert refused.returncode == 1
    said = refused.stdout + refused.stderr
    assert f"{HOST}, jump ops@gw:{SECOND_PORT}: " in said
    assert fingerprint(other) in said
    assert fingerprint(behind.keys["jump"]) in said
    assert changed(before, lab.tree(HOST), ()) == []

    written(behind)
    planned = behind.typed(tmp_path, "plan", "--only", POSTFIX, "--host", HOST, jump=WAY)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert changed(before, lab.tree(HOST), tuple(MAY_DIFFER)) == []
    began = int(time.time())
    done = behind.typed(tmp_path, "apply", "--only", POSTFIX, "--host", HOST, jump=WAY)
    assert done.returncode == 0, done.stdout + done.stderr
    standing = behind.typed(tmp_path, "status", "--host", HOST, "--json", jump=WAY)
    ports = json.loads(standing.stdout)["hosts"][HOST]["ports"]
    assert {port["port"]: port["obstacle"] for port in ports} == {25: "", 465: "", 587: ""}
    told = behind.typed(tmp_path, "doctor", HOST, jump=WAY).stdout
    hops = [f"ops@{behind.address(JUMP)} port {SECOND_PORT}"]
    hops += [f"kanri@{behind.address(name)} port 22" for name in (SECOND_JUMP, HOST)]
    assert f"reach ok {' → '.join(hops)} " in " ".join(told.split())
    run = lab.exec(HOST, "ls -1t /var/lib/runbook | head -n 1").decode().strip()
    assert lab.exec(HOST, "ss -Hltn 'sport = :465 or sport = :587' | wc -l") == b"4\n"
    came = lab.exec(
        HOST, f"journalctl --sync; journalctl -t sshd --no-pager -o cat --since @{began}"
    ).decode()
    assert set(re.findall("Accepted publickey for kanri from ([0-9.]+)", came)) == {
        behind.address(SECOND_JUMP)
    }
    assert behind.sessions(JUMP, "ops") == []

    back = behind.typed(tmp_path, "rollback", run, "--host", HOST, jump=WAY)
    assert back.returncode == 0, back.stdout + back.stderr
    assert "all that this run changed is as before it" in back.stdout
    assert changed(before, lab.tree(HOST), tuple(MAY_DIFFER)) == []
