"""`runbook renew` on a host: what is due is served, by the standing approval that lets it; nothing else is touched."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import approvers
import pytest
import tampering
from applied_host import applied, runbook
from approvers import SUZUKI, Site
from cryptography import x509
from ruamel.yaml import YAML
from supported import family_of, postfix_chapter
from tampering import KANRI

from lab import Lab
from runbook_lib.inventory import load
from runbook_lib.records import index, model, origin, verification
from runbook_lib.x509.certificate import spelled_serial

HOST = "debian12"
CERTIFICATE = family_of(HOST).certificate_directory / "mail-server.pem"
ALL = "cd / && tar -cf - etc var/lib/runbook 2>/dev/null | sha256sum"


@dataclass(frozen=True)
class Scene:
    """A host whose certificate is due, an inventory that wants one approval, and who gives it."""

    lab: Lab
    site: Site
    book: Path

    def renew(self) -> subprocess.CompletedProcess[str]:
        """As the timer starts it: kanri's key signs."""
        return runbook(
            "renew", "--host", HOST, inventory=str(self.book),
            RUNBOOK_SIGN_KEY=str(self.site.keys / "kanri"), RUNBOOK_RECORDS=str(self.site.root),
        )  # fmt: skip

    def served(self, port: int = 465) -> str:
        """The serial that a port shows."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        address = load(str(self.book)).host(HOST).address
        with (
            socket.create_connection((address, port), timeout=30) as clear,
            context.wrap_socket(clear) as encrypted,
        ):
            leaf = encrypted.getpeercert(binary_form=True)
        assert leaf is not None
        return spelled_serial(x509.load_der_x509_certificate(leaf).serial_number)

    @property
    def on_disk(self) -> str:
        """The serial of the certificate's file."""
        said = self.lab.exec(HOST, f"openssl x509 -in {CERTIFICATE} -noout -serial").decode()
        return said.strip().removeprefix("serial=")

    @property
    def runs(self) -> list[str]:
        return sorted(index.runs(self.site.root))

    def runs_in(self, mode: str) -> list[str]:
        """Those that were ordered in one of the modes."""
        orders = {run: index.ordered(self.site.root / run) for run in self.runs}
        return [run for run, order in orders.items() if order is not None and order.mode == mode]


@pytest.fixture
def scene(lab: Lab, tmp_path: Path) -> Iterator[Scene]:
    applied(lab, HOST)
    yaml = YAML()
    text = yaml.load(lab.inventory)
    text["site"]["records"] = {"signing": "required", "approvals": 1}
    # A ledger keeps it for good.
    text["site"]["ca"]["directory"] = str(shutil.copytree(lab.folder / "ca", tmp_path / "ca"))
    text["hosts"][HOST].setdefault("certificate", {}).update(valid_days=398, renew_days=397)
    book = tmp_path / "wanted.yaml"
    yaml.dump(text, book)
    found = approvers.make(tmp_path / "site")
    yield Scene(lab, found, book)
    origin.use(load("lab"))


def test_what_is_due_is_served_and_the_record_says_by_which_standing_approval(
    scene: Scene, tmp_path: Path
) -> None:
    lab, site = scene.lab, scene.site
    before, tree = scene.on_disk, lab.exec(HOST, ALL)
    done = scene.renew()
    assert (done.returncode, scene.runs, lab.exec(HOST, ALL)) == (1, [], tree)
    assert "there are 0 of 1 standing ones of this host" in done.stdout
    site.stands("suzuki", HOST, operator=KANRI)
    done = scene.renew()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Bound to its plan, approved by the standing approval 1 of {SUZUKI}." in done.stdout
    assert scene.on_disk != before
    assert scene.served() == scene.on_disk
    (run,) = scene.runs_in("apply")
    chapters = ["11-key-and-csr", "12-signing", postfix_chapter(HOST)]
    assert sorted(path.stem for path in (site.root / run / HOST).glob("*.json")) == chapters
    for chapter in chapters:
        record = model.read(site.root / run / HOST / f"{chapter}.json")
        assert (record.mode, record.outcome, record.approval and record.approval.standing) == (
            "apply",
            "passed",
            (1,),
        )
    assert (
        f"Issued serial {scene.on_disk}, valid to" in (site.root / run / HOST / "12-signing.json").read_text()
    )
    found = verification.check_all(site.root)
    assert found.holds, found.told_wrong
    heads = [verification.Head.parse(head) for head in found.heads]
    said = tampering.checked(tampering.unpacked(site.root, tmp_path / "archive"), site.listed, *heads)
    assert said.returncode == 0, said.stdout
    there, tree = scene.runs, lab.exec(HOST, ALL)
    done = scene.renew()
    assert (done.returncode, done.stdout) == (0, f"{HOST}: nothing is due\n")
    assert (scene.runs, lab.exec(HOST, ALL)) == (there, tree)


def test_a_host_with_an_edited_setting_is_refused_and_stays_byte_for_byte(scene: Scene) -> None:
    lab, before = scene.lab, scene.on_disk
    scene.site.stands("suzuki", operator=KANRI)
    lab.exec(HOST, "postconf -e smtpd_tls_loglevel=4; postconf -X smtpd_tls_mandatory_protocols")
    tree = lab.exec(HOST, ALL)
    done = scene.renew()
    assert (done.returncode, scene.runs, lab.exec(HOST, ALL)) == (1, [], tree)
    assert "main.cf or master.cf was edited since Postfix read it last" in done.stdout
    lab.exec(HOST, "postfix reload; sleep 1")
    done = scene.renew()
    assert (done.returncode, lab.exec(HOST, ALL), scene.on_disk) == (1, tree, before), done.stdout
    assert f"{HOST}: refused, nothing was changed there" in done.stdout
    assert "a person has to decide about main.cf, smtpd_tls_loglevel" in done.stdout
    assert "SettingsChange /etc/postfix/main.cf: is no part of a renewal" in done.stdout
    assert scene.runs == scene.runs_in("plan")
    assert len(scene.runs) == 1


@pytest.mark.parametrize(
    ("wrecked", "status", "told"),
    [
        (f"echo garbage > {CERTIFICATE}", 1, f"due: {CERTIFICATE}: "),
        (
            f"rm {CERTIFICATE}",
            0,
            f"{HOST}: nothing to renew by itself: no certificate is there that the own CA signed",
        ),
    ],
    ids=["garbage", "gone"],
)
def test_a_certificate_that_is_broken_or_gone_is_not_said_to_be_in_order(
    scene: Scene, wrecked: str, status: int, told: str
) -> None:
    scene.site.stands("suzuki", operator=KANRI)
    scene.lab.exec(HOST, wrecked)
    tree = scene.lab.exec(HOST, ALL)
    done = scene.renew()
    assert (done.returncode, scene.runs, scene.lab.exec(HOST, ALL)) == (status, [], tree), done.stdout
    assert told in done.stdout
    assert "nothing is due" not in done.stdout


def test_names_that_were_added_to_the_inventory_are_not_renewed_into_the_certificate(scene: Scene) -> None:
    scene.site.stands("suzuki", operator=KANRI)
    yaml = YAML()
    text = yaml.load(scene.book)
    text["hosts"][HOST]["names"]["further"] = ["more.example.test"]
    yaml.dump(text, scene.book)
    tree = scene.lab.exec(HOST, ALL)
    done = scene.renew()
    assert (done.returncode, scene.lab.exec(HOST, ALL)) == (1, tree)
    assert "CertificateToIssue /etc/ssl/certs/mail-server.pem: other names: " in done.stdout
