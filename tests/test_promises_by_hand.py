"""The script that `runbook plan` leaves, typed at a root shell on a bare host, makes the same host as apply."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from applied_host import RUNBOOK, applied, run_cells, runbook
from supported import changing, family_of
from trees import AT_WORK, MAY_DIFFER, changed

from lab import Lab
from runbook_lib.records import verification

# Beside what a rollback leaves different: what is random, or new each time.
RANDOM = (
    "{keys}/mail-server.key",
    "{keys}/nopass_mail-server.key",
    "{keys}/csr_mail-server.pem",
    "{keys}/postfix_mail-server.pem",
    "{certificates}/mail-server.pem",
    "/root/typed.sh",  # what this test types
)
# Made by the packages themselves, with random or uninitialised bytes.
OF_PACKAGES = (
    "/etc/aliases.db",
    "/etc/sasldb2",
    "/etc/ssl/certs/ssl-cert-snakeoil.pem",
    "/etc/ssl/private/ssl-cert-",
    "/etc/pki/tls/certs/postfix.pem",
    "/etc/pki/tls/private/postfix.key",
)

MAIN_CF = "/etc/postfix/main.cf"


def lines(lab: Lab, host: str) -> list[bytes]:
    """main.cf sorted: one `postconf -e` appends new entries in the order of its hash table, which varies."""
    return sorted(lab.exec(host, f"cat {MAIN_CF}").splitlines())


def test_typed_by_hand_it_is_the_same_host(
    lab: Lab, family_host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = family_of(family_host)
    random = [
        path.format(keys=family.key_directory, certificates=family.certificate_directory) for path in RANDOM
    ]
    applied(lab, family_host)
    by_apply, main_cf = lab.tree(family_host), lines(lab, family_host)
    lab.reset(family_host, "bare")
    monkeypatch.setenv("PATH", f"{RUNBOOK.parent}:{os.environ['PATH']}")
    for chapter in changing(family_host):
        script = planned(family_host, chapter, tmp_path / "records")
        if "# on the controller:" in script:
            sign(lab, family_host, script, tmp_path)
        else:
            type_in(lab, family_host, script)
    by_hand = lab.tree(family_host)
    assert changed(by_apply, by_hand, (*MAY_DIFFER, *AT_WORK, *random, *OF_PACKAGES, MAIN_CF)) == []
    assert lines(lab, family_host) == main_cf
    for path in random[:-1]:  # other bytes, and the same kind, mode and owner
        assert by_hand[path][:4] == by_apply[path][:4], path
    # Everything is asked from outside, as of a host that apply made.
    assert "outcome   passed" in run_cells("90-verification", host=family_host, mode="apply")[-1].text()


def planned(host: str, chapter: str, records: Path) -> str:
    """The script beside the page of the chapter's plan, to which the page leads."""
    done = runbook("plan", "--host", host, "--only", chapter, "--json", RUNBOOK_RECORDS=str(records))
    assert done.returncode == 0, done.stderr
    folder = records / str(json.loads(done.stdout)["run"]) / host
    assert f'href="{chapter}.sh"' in (folder / f"{chapter}.html").read_text(encoding="utf-8")
    assert verification.check(folder.parent).holds
    return (folder / f"{chapter}.sh").read_text(encoding="utf-8")


def type_in(lab: Lab, host: str, script: str) -> None:
    """As a person does: the lines in one go, the one secret there is when it is asked for."""
    secrets = f"{lab.secret('key-passphrase')}\n" * script.count("; read -r ")
    lab.exec(host, f"cat > /root/typed.sh <<'TYPED'\n{script}\nTYPED\n")
    lab.exec(host, f"printf '%s' '{secrets}' | sh -e /root/typed.sh", timeout_s=300)


def sign(lab: Lab, host: str, script: str, folder: Path) -> None:
    """Each block where its comment says: server, controller, server."""
    blocks = script.split("# on the ")[1:]
    places = [block.split(":", 1)[0] for block in blocks]
    assert places == ["server", "controller", "server"]
    fetch, issue, install = (block.split("\n", 1)[1] for block in blocks)
    (folder / "csr_mail-server.pem").write_bytes(lab.exec(host, fetch))
    subprocess.run(["sh", "-e", "-c", issue], cwd=folder, check=True, timeout=60)
    pasted = (folder / "mail-server.pem").read_text()
    lab.exec(
        host,
        f"cat > /root/typed.sh <<'TYPED'\n{install}\nTYPED\nsh -e /root/typed.sh <<'PASTED'\n{pasted}PASTED\n",
    )
