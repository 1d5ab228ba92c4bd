"""docs/your-own-servers.md, typed as a new user would: a fresh checkout, an empty home, a server of the lab."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from applied_host import RUNBOOK
from trees import MAY_DIFFER, changed

from lab import Lab
from lab.hosts import ADMINISTRATOR
from lab.state import CHECKOUT

HOST = "debian13"  # where sudo asks for no password
PAGE = CHECKOUT / "docs" / "your-own-servers.md"
STATUS = {"runbook verify mail.example.jp": 1}  # no submission there yet, and the exit status says so


def typed() -> list[str]:
    """The lines of the page's blocks, in order, from the first command of ours on; what is fenced is not typed."""
    page = re.sub(r"^```.*?^```$", "", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines: list[str] = re.findall(r"^ {4}(.+)$", page, flags=re.MULTILINE)
    assert lines[:2] == ["make install", ". .venv/bin/activate"]
    return lines[2:]


@dataclass
class NewUser:
    """A person with a home and a checkout, at a shell."""

    lab: Lab
    home: Path
    checkout: Path

    def fill_in(self) -> None:
        """The inventory, as step 3 has it: what differs from the example."""
        host = self.lab.host(HOST)
        site = self.checkout / "inventory" / "site.yaml"
        text = site.read_text(encoding="utf-8")
        for of_the_example, own in {
            "domain: example.jp": "domain: example.test",
            "# resolver: 192.0.2.53": f"resolver: {self.lab.network.gateway4}",
            "  sudo:\n    password: env:SUDO_PASSWORD": "  # no sudo password",
            "address: 192.0.2.25": f"address: {host.address}",
            "smtp: mail.example.jp": "smtp: mail13.example.test",
            "pop: pop.example.jp": "pop: pop13.example.test",
            "# production: true": "production: true",
        }.items():
            assert of_the_example in text
            text = text.replace(of_the_example, own)
        site.write_text(text, encoding="utf-8")
        password = self.home / ".config" / "runbook" / "kensa-password"
        password.write_text(self.lab.secret("kensa") + "\n", encoding="utf-8")
        password.chmod(0o600)

    def types(self, line: str) -> subprocess.CompletedProcess[str]:
        """A line at the shell, with the lab's names in it."""
        by_name = f"verify mail13.example.test --resolver {self.lab.network.gateway4}"
        line = line.replace("verify mail.example.jp", by_name)
        line = line.replace("192.0.2.25", str(self.lab.host(HOST).address))
        path = f"{self.home}/bin:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", "-c", line],
            cwd=self.checkout,
            # The command of this checkout's environment, the library of the new one.
            env={"HOME": str(self.home), "PATH": path, "PYTHONPATH": str(self.checkout), "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture
def user(lab: Lab, tmp_path: Path) -> NewUser:
    home, checkout = tmp_path / "home", tmp_path / "checkout"
    (home / "bin").mkdir(parents=True)
    (home / ".ssh").mkdir(mode=0o700)
    shutil.copy(lab.folder / "id_ed25519", home / ".ssh" / "id_ed25519")
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True, text=True
    )
    for name in tracked.stdout.split("\0")[:-1]:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, checkout / name)
    (home / "bin" / "runbook").symlink_to(RUNBOOK)
    return NewUser(lab, home, checkout)


@pytest.mark.always
def test_what_the_page_says_works_from_the_first_look_to_the_way_back(lab: Lab, user: NewUser) -> None:
    lab.reset(HOST, "fresh")
    before = lab.tree(HOST)
    digest = run = ""
    said: dict[str, str] = {}
    for line in typed():
        if line.startswith("runbook doctor"):
            user.fill_in()
        done = user.types(line.replace("DIGEST", digest).replace("RUN", run))
        assert done.returncode == STATUS.get(line, 0), f"{line}\n{done.stdout}\n{done.stderr}"
        said[line] = done.stdout
        if line.startswith("runbook doctor"):
            assert done.stdout.startswith("mail1: nothing would stop a run\n")
        if line.startswith("runbook plan"):
            digest = re.findall(r"Plan: sha256:(\w+)", done.stdout)[0]
            assert changed(before, lab.tree(HOST), tuple(MAY_DIFFER)) == []
            assert "needed root to look at: " in done.stdout
        if line.startswith("runbook apply"):
            run = re.findall(r"records/(\S+?)/index.html", done.stdout)[0]
            assert re.search(r"mail1: changed \d+ things; (\d+) of \1 claims proved", done.stdout)
    assert (
        lab.exec(HOST, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").decode().split()[1]
        in said["ssh-keygen -lf ~/mail1.key"]
    )
    assert f"to change something, {run} " in said["runbook status --host mail1"]
    verified = said["runbook verify mail1"]
    assert re.search(r"\n\d+ pass( \(1 with a warning\))?, 1 not asked\n$", verified), verified
    assert "so it is sent on request alone (--wrong-password)" in verified
    assert run in said["runbook records list"]
    assert changed(before, lab.tree(HOST), tuple(MAY_DIFFER)) == []


def test_a_host_whose_key_nobody_compared_is_refused(lab: Lab, user: NewUser) -> None:
    lab.reset(HOST, "fresh")
    for line in typed():
        if line.startswith("runbook plan"):
            user.fill_in()
            done = user.types(line)
            break
        if not line.startswith(("cat ~/mail1.key", "runbook")):
            assert user.types(line).returncode == 0, line
    assert done.returncode != 0
    assert "SHA256:" in done.stdout + done.stderr
    assert "known_hosts" in done.stdout + done.stderr
    assert ADMINISTRATOR == "kanri"  # as the example's `user` has it
