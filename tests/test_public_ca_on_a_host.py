"""A certificate of a public CA on a real server: the CSR goes out, a mess comes back, every port serves the chain.

The public CA is a stand-in, since none can be asked from a lab: the test hierarchy of `pki_chains`, whose root stands
among the roots that this machine trusts (SSL_CERT_FILE), as a public one would.
"""

import io
import json
import os
import ssl
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pki_chains as chains
import pki_samples as samples
import pytest
from applied_host import RUNBOOK, applied, issued_by, run_cells
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from pki_chains import LOWER, ROOT, ROOT_PEM, UPPER, certificate, file_of
from ruamel.yaml import YAML
from supported import family_of, postfix_chapter

from lab import Lab
from runbook_lib.chapters import ordering, signing
from runbook_lib.errors import ApplyRefused, CertificateRefused
from runbook_lib.inventory import load
from runbook_lib.records import origin
from runbook_lib.site_ca import own_ca

HOST, OTHER_FAMILY = "debian12", "el9"
NAMES = ("mail12.example.test", "pop12.example.test")
MX = ("smtp12.example.test",)


class Site:
    """An inventory of one lab host, and the commands as its operator types them."""

    def __init__(self, folder: Path, lab: Lab, host: str = HOST) -> None:
        self.folder, self.lab, self.host = folder, lab, host
        self.inventory = folder / "site.yaml"
        roots = folder / "public-roots.pem"
        public = ssl.get_default_verify_paths().cafile
        assert public is not None
        roots.write_bytes(Path(public).read_bytes() + ROOT_PEM)
        self.environment = os.environ | {
            "SSL_CERT_FILE": str(roots),
            "RUNBOOK_RECORDS": str(folder / "records"),
        }

    def write(self, mx: Mapping[str, object] | None = None, /, **certificate_values: object) -> None:
        """The inventory, with these values for the host's certificate, and those of one for port 25 alone."""
        book = YAML(typ="safe").load(self.lab.inventory)
        host = book["hosts"][self.host]
        host["certificate"] = certificate_values
        if mx is not None:
            secret = book["defaults"]["certificate"]["key_passphrase"]
            host["further_certificates"] = {"mx": {"names": [*MX], "key_passphrase": secret, **mx}}
        book["hosts"] = {self.host: host}
        YAML().dump(book, self.inventory)

    def runbook(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [str(RUNBOOK), *words, "--inventory", str(self.inventory)],
            env=self.environment, cwd=self.folder, capture_output=True, timeout=300, check=False,
        )  # fmt: skip

    def plan(self, **certificate_values: object) -> str:
        """What chapter 1-2 plans with these values of the inventory, without a kernel."""
        self.write(**certificate_values)
        with self.here():
            chapter = signing.open(str(self.inventory), self.host, "plan")
            return chapter.plan_certificate().text()

    @contextmanager
    def here(self) -> Iterator[None]:
        """What is called in this process trusts the stand-in's root, too, and its records go to the same place."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("SSL_CERT_FILE", "RUNBOOK_RECORDS"):
                patch.setenv(name, self.environment[name])
            yield

    def csr_with_a_name_more(self, name: str) -> None:
        """Ask for the CSR where the inventory grants a name that it does not ask for."""
        book = YAML(typ="safe").load(self.inventory)
        book["hosts"][HOST]["names"]["further"] = [name]
        changed = self.folder / "changed.yaml"
        YAML().dump(book, changed)
        ordering.csr_to_send(str(changed), HOST)

    def newest(self, name: str) -> Path:
        """What the newest run left under this name for the host."""
        found = (self.folder / "records").glob(f"*/{HOST}/{name}")
        return max(found, key=lambda path: path.stat().st_mtime_ns)

    def record(self, chapter: str) -> Any:
        return json.loads(self.newest(f"{chapter}.json").read_bytes())


def signed(request: bytes, *, days: int = 30, names: tuple[str, ...] = NAMES) -> x509.Certificate:
    """What the stand-in makes of a CSR: it takes the key, and vouches for names that were proven to it."""
    csr = x509.load_pem_x509_csr(request)
    assert csr.is_signature_valid
    return certificate(
        "server", "lower", ca=False, days=(-1, days), name=",".join(names), key=csr.public_key(),
        issuer_at="http://ca.example.test/lower.cer",
    )  # fmt: skip


def mess(leaf: x509.Certificate) -> bytes:
    """An archive as CAs send it: the leaf as text of a Windows shell, the others as PKCS #7, the root among them."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(
            "order 4711/mail12.crt", file_of(leaf).replace(b"\n", b"\r\n").decode().encode("utf-16")
        )
        archive.writestr(
            "order 4711/chain.p7b", pkcs7.serialize_certificates([ROOT, UPPER, LOWER], Encoding.DER)
        )
        archive.writestr("order 4711/README.txt", "Thank you for your order.\r\n")
    return target.getvalue()


def served(lab: Lab, port: int, root: Path, host: str = HOST, name: str = NAMES[0]) -> list[str]:
    """The subjects that a client with nothing but the root sees, in the order in which they are sent."""
    address = lab.host(host).address
    starttls = () if port == 465 else ("-starttls", "smtp")
    seen = samples.openssl(
        "s_client", "-connect", f"{address}:{port}", *starttls, "-CAfile", str(root), "-no-CApath", "-no-CAstore",
        "-verify_return_error", "-verify_hostname", name, "-showcerts", stdin=b"QUIT\n",
    )  # fmt: skip
    assert "Verify return code: 0 (ok)" in seen
    return chains.read_by_openssl(seen.encode())


def test_from_the_csr_to_every_port_and_on_to_the_renewal(lab: Lab, tmp_path: Path) -> None:
    applied(lab, HOST)
    site = Site(tmp_path, lab)
    root = tmp_path / "root.pem"
    root.write_bytes(ROOT_PEM)
    before = issued_by([origin.current_run()], HOST)  # of this process's run, by the tests before

    # Nothing came back yet. The certificate that is there goes on; where there is none, apply waits for a person.
    planned = site.plan(signed_by="public CA")
    assert "comes from a public CA (left to who orders from the public CA)" in planned
    assert f"runbook csr {HOST}" in planned
    lab.exec(HOST, "rm /etc/ssl/certs/mail-server.pem")
    waits = site.runbook("apply", "--host", HOST, "--only", "12")
    assert waits.returncode == 1
    error = site.record("12-signing")["error"]["message"]
    assert "has to come from a public CA: there is no certificate yet" in error
    assert f"runbook csr {HOST}" in error

    # What is sent is the CSR alone; beside it what the form asks.
    sent = site.runbook("csr", HOST)
    assert sent.returncode == 0, sent.stderr.decode()
    assert sent.stdout.startswith(b"-----BEGIN CERTIFICATE REQUEST-----\n")
    assert b"PRIVATE" not in sent.stdout + sent.stderr
    for words in (samples.sha256(sent.stdout), *NAMES, "RSA 2048", "Postfix", "postmaster@", "200 days"):
        assert words in sent.stderr.decode()
    (tmp_path / "mail.csr").write_bytes(sent.stdout)
    with pytest.raises(ApplyRefused, match=r"(?s)does not ask for every name.*\+ ms\.example\.test"):
        site.csr_with_a_name_more("ms.example.test")

    # The leaf alone is refused, and says where the rest is; the mess becomes one chain.
    leaf = signed(sent.stdout)
    (tmp_path / "leaf.crt").write_bytes(file_of(leaf))
    alone = site.runbook("certificate", "check", "leaf.crt", "--host", HOST, "--csr", "mail.csr")
    assert alone.returncode == 1
    assert alone.stdout == b""
    assert b"from http://ca.example.test/lower.cer (the certificate names this place" in alone.stderr
    archive = tmp_path / "order.zip"
    archive.write_bytes(mess(leaf))
    chain = file_of(leaf, LOWER, UPPER)
    checked = site.runbook("certificate", "check", "order.zip", "--host", HOST)
    assert checked.returncode == 0, checked.stderr.decode()
    assert checked.stdout == chain
    assert f"order.zip: SHA-256 {samples.sha256(archive.read_bytes())}" in checked.stderr.decode()

    # A batch installs it as it came; every port serves it, and users are not told to import anything.
    site.write(signed_by="public CA", returned=["order.zip"])
    applied_now = site.runbook("apply", "--host", HOST)
    assert applied_now.returncode == 0, (applied_now.stdout + applied_now.stderr).decode()
    for port in (25, 465, 587):
        assert served(lab, port, root) == ["server", "lower", "upper"]
    assert lab.exec(HOST, "cat /etc/ssl/certs/mail-server.pem") == chain
    notes = " ".join(step["text"] for step in site.record("12-signing")["steps"] if step["kind"] == "note")
    assert f"Returned by the CA: order.zip, SHA-256 {samples.sha256(archive.read_bytes())}." in notes
    assert "the root 'CN=root' left out" in notes
    assert site.record("90-verification")["outcome"] == "passed"
    pages = {path.name: path.read_text(encoding="utf-8") for path in site.newest("for-users").iterdir()}
    assert [name for name in pages if name.endswith(".cer")] == []
    assert "Nothing to import" in pages["thunderbird.html"]

    # Again: nothing to do. Its end is near: said, and the own CA does not sign over it until somebody says so.
    assert "nothing to do" in site.plan(returned=["order.zip"])
    assert site.plan(renew_days=20) == "Certificate: nothing to do."
    due = site.plan(renew_days=60)
    assert "nothing to do" in due
    assert "It ends in 29 days" in due
    assert "the own CA does not sign over it by itself: say certificate.signed_by" in due
    assert "it was not issued by this CA" in site.plan(signed_by="own CA")
    (tmp_path / "older.pem").write_bytes(file_of(signed(sent.stdout, days=20), LOWER, UPPER))
    with pytest.raises(CertificateRefused, match="it is an older one"):
        site.plan(returned=["older.pem"])
    (tmp_path / "more.pem").write_bytes(
        file_of(signed(sent.stdout, names=(*NAMES, "*.example.test")), LOWER, UPPER)
    )
    with pytest.raises(CertificateRefused, match=r"(?s)\+ \*\.example\.test\n.*somebody has to decide"):
        site.plan(returned=["more.pem"])
    runs = [origin.current_run(), *(path.name for path in (tmp_path / "records").iterdir())]
    assert len(runs) > 2
    assert issued_by(runs, HOST) == before


def test_port_25_has_a_public_one_and_users_the_own_ca_s(lab: Lab, tmp_path: Path) -> None:
    """Each goes its own way; and while the one that a person has to bring is missing, the other is not issued."""
    applied(lab, HOST)
    site = Site(tmp_path, lab)
    root, own_root = tmp_path / "root.pem", tmp_path / "own.pem"
    root.write_bytes(ROOT_PEM)
    site.write({"signed_by": "public CA"})
    own_root.write_bytes(own_ca.certificate(load(str(site.inventory)).site) or b"")
    made = site.runbook("apply", "--host", HOST, "--only", "11")
    assert made.returncode == 0, (made.stdout + made.stderr).decode()
    sent = site.runbook("csr", HOST, "--purpose", "mx")
    assert sent.returncode == 0, sent.stderr.decode()
    assert (
        x509.load_pem_x509_csr(sent.stdout).subject
        != x509.load_pem_x509_csr(site.runbook("csr", HOST).stdout).subject
    )
    assert MX[0] in sent.stderr.decode()
    assert NAMES[0] not in sent.stderr.decode()

    lab.exec(HOST, "mv /etc/ssl/certs/mail-server.pem /root")
    waits = site.runbook("apply", "--host", HOST, "--only", "12")
    assert waits.returncode == 1
    error = site.record("12-signing")["error"]["message"]
    assert "has to come from a public CA: there is no certificate yet" in error
    assert f"runbook csr {HOST} --purpose mx" in error
    assert "further_certificates.mx.returned: [FILE, ...]" in error
    assert issued_by([path.name for path in (tmp_path / "records").iterdir()], HOST) == []
    lab.exec(HOST, "mv /root/mail-server.pem /etc/ssl/certs")

    leaf = signed(sent.stdout, names=MX)
    (tmp_path / "mx.zip").write_bytes(mess(leaf))
    other = site.runbook("certificate", "check", "mx.zip", "--host", HOST)
    assert other.returncode == 1  # it is for the other key
    checked = site.runbook("certificate", "check", "mx.zip", "--host", HOST, "--purpose", "mx")
    assert (checked.returncode, checked.stdout) == (0, file_of(leaf, LOWER, UPPER)), checked.stderr.decode()
    site.write({"signed_by": "public CA", "returned": ["mx.zip"]})
    done = site.runbook("apply", "--host", HOST)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    assert served(lab, 25, root, name=MX[0]) == ["server", "lower", "upper"]
    for port in (465, 587):
        served(lab, port, own_root)
    assert site.record("90-verification")["outcome"] == "passed"
    assert issued_by([path.name for path in (tmp_path / "records").iterdir()], HOST) == []
    with site.here():
        planned = signing.open(str(site.inventory), HOST, "plan").plan_certificate().text()
    assert "nothing to do" in planned


def test_the_other_family_has_the_chain_in_its_own_place_and_serves_it(lab: Lab, tmp_path: Path) -> None:
    applied(lab, OTHER_FAMILY)
    site = Site(tmp_path, lab, OTHER_FAMILY)
    root = tmp_path / "root.pem"
    root.write_bytes(ROOT_PEM)
    names = ("mail9.example.test", "pop9.example.test")
    site.write(signed_by="public CA", returned=["order.zip"])
    with site.here():
        sent, _ = ordering.csr_to_send(str(site.inventory), OTHER_FAMILY)
        leaf = signed(sent, names=names)
        (tmp_path / "order.zip").write_bytes(mess(leaf))
        # A change from the own CA to a public one is the certificate, the file that Postfix reads, and a reload.
        planned = "\n".join(
            one.text()
            for one in run_cells(
                postfix_chapter(OTHER_FAMILY), host=OTHER_FAMILY, mode="plan", inventory=str(site.inventory)
            )
            if one is not None
        )
        assert "another pair comes from the chapters before: what 'CN=lower' returned" in planned
        assert "planned: 2 changes" in planned
        for chapter in ("12-signing", postfix_chapter(OTHER_FAMILY)):
            assert "passed" in run_cells(chapter, host=OTHER_FAMILY, inventory=str(site.inventory))[-1].text()
    for port in (25, 465, 587):
        assert served(lab, port, root, OTHER_FAMILY, names[0]) == ["server", "lower", "upper"]
    there = family_of(OTHER_FAMILY).certificate_directory / "mail-server.pem"
    assert lab.exec(OTHER_FAMILY, f"cat {there}; stat -c %a:%U:%G {there}") == (
        file_of(leaf, LOWER, UPPER) + b"644:root:root\n"
    )
