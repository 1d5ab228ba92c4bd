"""What an earlier version left on a host is in order for this one, and is given back by either.

The archives in `upgrade/` are what commit 16078e2 left: the host's files and journal, its records, its CA. They stay;
a change that breaks one of these tests breaks servers that people have.
"""

import base64
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import runbook
from ruamel.yaml import YAML
from trees import MAY_DIFFER, changed

from lab import Lab
from lab.tree import Entry

ARCHIVES = Path(__file__).with_name("upgrade")
PACKAGES = {
    "debian12": "DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install sasl2-bin "
    "libsasl2-modules; adduser --quiet postfix sasl",
    "el9": "dnf -q -y install cyrus-sasl cyrus-sasl-plain; gpasswd -a postfix saslauth",
}
TAKEN_UP = (
    "systemctl daemon-reload; if systemctl is-active firewalld; then firewall-cmd --reload; fi; "
    "systemctl enable saslauthd; systemctl restart saslauthd; systemctl restart postfix"
)


@dataclass(frozen=True)
class Left:
    """A host as the earlier version left it.

    Args:
        host: its name.
        inventory: the lab's, with the CA of then.
        records: the folder of records of then.
        run: the one run that there was.
        before: the host's tree without what the run did.
    """

    host: str
    inventory: Path
    records: Path
    run: str
    before: dict[str, Entry]

    def runbook(self, *words: str) -> tuple[int, str]:
        """The command of today on it: status, and what it says."""
        done = runbook(
            *words, "--inventory", str(self.inventory), environment={"RUNBOOK_RECORDS": str(self.records)}
        )
        return done.returncode, done.stdout + done.stderr


def kept_before(host_files: Path, path: str) -> bytes:
    """What the journal of then has of a file as it was before the run."""
    with tarfile.open(host_files) as tar:
        for name in tar.getnames():
            told = tar.extractfile(name) if name.endswith(".path") else None
            if told is not None and told.read().decode().strip() == path:
                before = tar.extractfile(f"{name.removesuffix('path')}before")
                assert before is not None
                return before.read()
    raise AssertionError(f"the journal has nothing of {path}")


@pytest.fixture
def left(lab: Lab, request: pytest.FixtureRequest, tmp_path: Path) -> Left:
    host: str = request.param
    (archive,) = ARCHIVES.glob(f"*-{host}.tar.xz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    lab.reset(host, "fresh")
    # An image that was made anew may have the entries of main.cf in another order: postconf keeps none.
    main_cf = kept_before(tmp_path / "host.tar", "/etc/postfix/main.cf")
    lab.exec(host, f"base64 -d <<'EOF' > /etc/postfix/main.cf\n{base64.b64encode(main_cf).decode()}\nEOF")
    before = lab.tree(host)
    for path in (tmp_path / "records", tmp_path / "ca", *(tmp_path / "records").rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    text = base64.b64encode((tmp_path / "host.tar").read_bytes()).decode()
    lab.exec(host, f"{PACKAGES[host]} > /dev/null 2>&1", timeout_s=300)
    lab.exec(host, f"base64 -d <<'EOF' | tar -x -p --numeric-owner -C /\n{text}\nEOF")
    lab.exec(host, f"{{ {TAKEN_UP}; }} > /dev/null 2>&1", timeout_s=120)
    book = YAML().load(lab.inventory)
    book["site"]["ca"] = {
        "directory": str(tmp_path / "ca"), "passphrase": f"file:{tmp_path / 'ca-passphrase'}"
    }  # fmt: skip
    inventory = tmp_path / "lab.yaml"
    with inventory.open("w") as file:
        YAML().dump(book, file)
    for path in (inventory, tmp_path / "ca-passphrase", tmp_path / "ca" / "ca.key"):
        path.chmod(0o600)
    (run,) = lab.exec(host, "ls /var/lib/runbook").decode().split()
    return Left(host, inventory, tmp_path / "records", run, before)


def with_hosts(*hosts: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("left", hosts, indirect=True)


@with_hosts("debian12", "el9")
def test_there_is_nothing_to_do_and_all_is_proved_and_the_command_gives_it_back(lab: Lab, left: Left) -> None:
    status, said = left.runbook("plan", "--host", left.host)
    assert (status, "nothing to do" in said) == (0, True), said
    status, said = left.runbook("status", "--host", left.host)
    assert (status, left.run in said) == (0, True), said
    status, said = left.runbook("records", "verify", left.run)
    assert (status, left.run in said) == (0, True), said
    status, said = left.runbook("apply", "--host", left.host, "--reason", "after an upgrade")
    assert (status, f"{left.host}: nothing to do" in said) == (0, True), said
    status, said = left.runbook("rollback", left.run, "--host", left.host)
    assert status == 0, said
    assert changed(left.before, lab.tree(left.host), tuple(MAY_DIFFER)) == []


@with_hosts("debian12", "el9")
def test_its_own_script_gives_it_back(lab: Lab, left: Left) -> None:
    lab.exec(left.host, f"sh /var/lib/runbook/{left.run}/undo.sh", timeout_s=120)
    assert changed(left.before, lab.tree(left.host), tuple(MAY_DIFFER)) == []
    status, said = left.runbook("status", "--host", left.host)
    assert "was put back" in said or "undone" in said, (status, said)
