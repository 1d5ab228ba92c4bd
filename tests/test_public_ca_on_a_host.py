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
from pathlib import Path

import pki_chains as chains
import pki_samples as samples
from applied_host import RUNBOOK, applied
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from pki_chains import LOWER, ROOT, ROOT_PEM, UPPER, certificate, file_of
from ruamel.yaml import YAML

from lab import Lab
from lab.state import CHECKOUT
from runbook_lib.chapters import own_ca
from runbook_lib.inventory import load
from runbook_lib.pki import authority

HOST = "debian12"
NAMES = ("mail12.example.test", "pop12.example.test")


class Site:
    """An inventory of one lab host, and the commands as its operator types them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inventory = folder / "site.yaml"
        roots = folder / "public-roots.pem"
        public = ssl.get_default_verify_paths().cafile
        assert public is not None
        roots.write_bytes(Path(public).read_bytes() + ROOT_PEM)
        self.environment = os.environ | {
            "SSL_CERT_FILE": str(roots),
            "RUNBOOK_RECORDS": str(folder / "records"),
        }

    def write(self, **certificate_values: object) -> None:
        """The inventory, with these values for the host's certificate."""
        book = YAML(typ="safe").load(CHECKOUT / "inventory" / "lab.yaml")
        host = book["hosts"][HOST]
        host["certificate"] = certificate_values
        book["hosts"] = {HOST: host}
        YAML().dump(book, self.inventory)

    def runbook(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [str(RUNBOOK), *words, "--inventory", str(self.inventory)],
            env=self.environment, cwd=self.folder, capture_output=True, timeout=300, check=False,
        )  # fmt: skip

    def done(self, *words: str) -> str:
        """A command that must succeed; both its streams."""
        result = self.runbook(*words)
        told = (result.stdout + result.stderr).decode()
        assert result.returncode == 0, told
        return told

    def record(self, chapter: str) -> str:
        """The newest record of a chapter."""
        newest = max(
            (self.folder / "records").glob(f"*/{HOST}/{chapter}.json"), key=lambda path: path.stat().st_mtime
        )
        return newest.read_text(encoding="utf-8")

    def for_users(self) -> dict[str, str]:
        """The files for users of the newest run that made some."""
        newest = max(
            (self.folder / "records").glob(f"*/{HOST}/for-users"), key=lambda path: path.stat().st_mtime
        )
        return {path.name: path.read_text(encoding="utf-8") for path in newest.iterdir()}


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


def served(lab: Lab, port: int, root: Path) -> list[str]:
    """The subjects that a client with nothing but the root sees, in the order in which they are sent."""
    address = lab.host(HOST).address
    starttls = () if port == 465 else ("-starttls", "smtp")
    seen = samples.openssl(
        "s_client", "-connect", f"{address}:{port}", *starttls, "-CAfile", str(root), "-no-CApath", "-no-CAstore",
        "-verify_return_error", "-verify_hostname", NAMES[0], "-showcerts", stdin=b"QUIT\n",
    )  # fmt: skip
    assert "Verify return code: 0 (ok)" in seen
    return chains.read_by_openssl(seen.encode())


def test_from_the_csr_to_every_port_and_on_to_the_renewal(lab: Lab, tmp_path: Path) -> None:
    applied(lab, HOST)
    site = Site(tmp_path)
    root = tmp_path / "root.pem"
    root.write_bytes(ROOT_PEM)
    ledger = authority.open_ledger(own_ca.directory(load("lab").site))
    issued = len(ledger.issuances(HOST))

    # Nothing came back yet. The certificate that is there goes on; where there is none, apply waits for a person.
    site.write(signed_by="public CA")
    site.done("plan", "--host", HOST, "--only", "12")
    assert "comes from a public CA" in site.record("12-signing")
    lab.exec(HOST, "rm /etc/ssl/certs/mail-server.pem")
    waits = site.runbook("apply", "--host", HOST, "--only", "12")
    assert waits.returncode == 1
    told = (waits.stdout + waits.stderr).decode() + site.record("12-signing")
    assert "has to come from a public CA: there is no certificate yet" in told
    assert f"runbook csr {HOST}" in told

    # What is sent is the CSR alone; beside it what the form asks.
    sent = site.runbook("csr", HOST)
    assert sent.returncode == 0, sent.stderr.decode()
    assert sent.stdout.startswith(b"-----BEGIN CERTIFICATE REQUEST-----\n")
    assert b"PRIVATE" not in sent.stdout + sent.stderr
    for words in (samples.sha256(sent.stdout), *NAMES, "RSA 2048", "Postfix", "postmaster@", "200 days"):
        assert words in sent.stderr.decode()

    # The leaf alone is refused, and says where the rest is; a key is refused without a word of it.
    leaf = signed(sent.stdout)
    (tmp_path / "leaf.crt").write_bytes(file_of(leaf))
    alone = site.runbook("certificate", "check", "leaf.crt", "--host", HOST)
    assert alone.returncode == 1
    assert alone.stdout == b""
    assert b"from http://ca.example.test/lower.cer (the certificate names this place" in alone.stderr
    (tmp_path / "mail.csr").write_bytes(sent.stdout)
    (tmp_path / "oops.pem").write_bytes(file_of(leaf) + samples.private_pem(samples.p256_key("other")))
    exposed = site.runbook("certificate", "check", "oops.pem", "--host", HOST, "--csr", "mail.csr")
    assert exposed.returncode == 1
    assert b"oops.pem is or holds a private key" in exposed.stderr

    # The mess becomes one chain, and it is what every port serves.
    archive = tmp_path / "order.zip"
    archive.write_bytes(mess(leaf))
    chain = file_of(leaf, LOWER, UPPER)
    for asked in ((), ("--csr", "mail.csr")):
        checked = site.runbook("certificate", "check", "order.zip", "--host", HOST, *asked)
        assert checked.returncode == 0, checked.stderr.decode()
        assert checked.stdout == chain
    site.write(signed_by="public CA", returned=["order.zip"])
    site.done("apply", "--host", HOST)
    for port in (25, 465, 587):
        assert served(lab, port, root) == ["server", "lower", "upper"]
    assert lab.exec(HOST, "cat /etc/ssl/certs/mail-server.pem") == chain
    record = json.loads(site.record("12-signing"))
    notes = " ".join(event["text"] for event in record["steps"] if event["kind"] == "note")
    assert f"Returned by the CA: order.zip, SHA-256 {samples.sha256(archive.read_bytes())}." in notes
    assert "the root 'CN=root' left out" in notes
    assert json.loads(site.record("90-verification"))["outcome"] == "passed"

    # Users are not told to import anything.
    pages = site.for_users()
    assert [name for name in pages if name.endswith(".cer")] == []
    assert "Nothing to import" in pages["thunderbird.html"]

    # Again: nothing to do. Its end is near: said, and the own CA does not sign over it until somebody says so.
    site.write(returned=["order.zip"])
    assert "nothing to do" in site.done("plan", "--host", HOST, "--only", "12")
    site.write(renew_days=60)
    assert "nothing to do" in site.done("plan", "--host", HOST, "--only", "12")
    assert "the own CA does not sign over it" in site.record("12-signing")
    site.write(signed_by="own CA")
    site.done("plan", "--host", HOST, "--only", "12")
    assert "it was not issued by this CA" in site.record("12-signing")
    assert len(ledger.issuances(HOST)) == issued
