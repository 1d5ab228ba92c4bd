"""What the CA issues passes wherever certificates are judged, and what it does not issue it says."""

import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pki_samples as samples
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pki_samples import GRANTED, PASSPHRASE

from runbook_lib.errors import AuthorityError, LedgerBusy, PolicyViolation
from runbook_lib.pki import certificate
from runbook_lib.pki.authority import Authority, Issued, random_serial
from runbook_lib.pki.chain import arrange, read_pem, verify
from runbook_lib.pki.csr import CheckedCsr, check_csr
from runbook_lib.pki.ledger import Ledger
from runbook_lib.x509 import dns_id

LONG_NAME = f"{'a' * 60}.example.test"


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return samples.fresh_ca(tmp_path)


def checked(request: bytes | None = None) -> CheckedCsr:
    return check_csr(request or samples.csr(), GRANTED, "mail1, csr_mail-server.pem")


def issue(
    ca: Authority, csr: CheckedCsr | None = None, names: tuple[str, ...] = GRANTED, days: int = 365
) -> Issued:
    return ca.issue(csr or checked(), names, days, host="mail1", run="run1")


KINDS = {
    "RSA": samples.csr,
    "P-256": lambda: samples.csr(key=samples.p256_key()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pkilint_has_nothing_to_note_on_a_leaf(ca: Authority, kind: str, tmp_path: Path) -> None:
    issued = issue(ca, checked(KINDS[kind]()))
    assert lint(tmp_path, issued.certificate_pem) == ""


def test_pkilint_has_nothing_to_note_on_a_leaf_whose_names_are_too_long_for_a_cn(
    ca: Authority, tmp_path: Path
) -> None:
    """Without a subject the SAN must be critical (RFC 5280 4.2.1.6)."""
    issued = issue(ca, names=(LONG_NAME,))
    assert lint(tmp_path, issued.certificate_pem) == ""
    assert_validates(ca, issued)


def test_pkilint_has_nothing_to_note_on_the_root(ca: Authority, tmp_path: Path) -> None:
    assert lint(tmp_path, ca.certificate_pem) == ""


def lint(folder: Path, content: bytes) -> str:
    (folder / "lint.pem").write_bytes(content)
    tool = Path(sys.executable).with_name("lint_pkix_cert")
    result = subprocess.run(
        [tool, "lint", "-s", "NOTICE", folder / "lint.pem"], capture_output=True, timeout=60, check=False
    )
    return (result.stdout + result.stderr).decode().strip()


def assert_validates(ca: Authority, issued: Issued) -> None:
    """cryptography's verifier follows web PKI: what passes it passes everywhere."""
    chain = arrange(read_pem(issued.certificate_pem, "leaf"), checked().public_key_sha256, "leaf")
    proven = verify(chain, ca.certificate_pem, issued.names, datetime.now(UTC), "leaf")
    assert proven.pem == issued.certificate_pem


def test_every_verifier_accepts_the_leaf_for_each_of_its_names(ca: Authority, tmp_path: Path) -> None:
    issued = issue(ca)
    assert_validates(ca, issued)
    (tmp_path / "root.pem").write_bytes(ca.certificate_pem)
    for name in GRANTED:
        said = samples.openssl(
            "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", name, "-CAfile",
            str(tmp_path / "root.pem"), stdin=issued.certificate_pem,
        )  # fmt: skip
        assert said == "stdin: OK\n"


@pytest.mark.parametrize(
    ("kind", "usage"), [("RSA", "Digital Signature, Key Encipherment"), ("P-256", "Digital Signature")]
)
def test_the_leaf_says_what_it_is_for_and_no_more(ca: Authority, kind: str, usage: str) -> None:
    issued = issue(ca, checked(KINDS[kind]()))
    text = samples.openssl(
        "x509", "-noout", "-text", "-certopt", "no_pubkey,no_sigdump", stdin=issued.certificate_pem
    )
    extensions = [line.strip() for line in text.split("X509v3 extensions:\n")[1].splitlines()]
    identifiers = [line for line in extensions if line.count(":") == 19]
    assert len(identifiers) == 2
    assert [line for line in extensions if line not in identifiers] == [
        "X509v3 Basic Constraints: critical",
        "CA:FALSE",
        "X509v3 Key Usage: critical",
        usage,
        "X509v3 Extended Key Usage:",
        "TLS Web Server Authentication",
        "X509v3 Subject Alternative Name:",
        "DNS:mail.example.test, DNS:pop.example.test",
        "X509v3 Subject Key Identifier:",
        "X509v3 Authority Key Identifier:",
    ]


def test_the_root_signs_servers_and_no_further_ca(ca: Authority) -> None:
    extensions = ca.certificate.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value) == (True, x509.BasicConstraints(True, 0))
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (
        True,
        True,
        False,
    )
    assert (
        samples.openssl("x509", "-noout", "-subject", stdin=ca.certificate_pem)
        .strip()
        .endswith("Example mail CA")
    )


def test_names_come_from_the_inventory_whatever_the_csr_asks_for(ca: Authority) -> None:
    """A CSR with a common name only gets a SAN with every granted name."""
    issued = issue(ca, checked(samples.csr(())))
    leaf = certificate.load(issued.certificate_pem, "leaf")
    assert dns_id.of(leaf) == GRANTED
    assert leaf.subject.rfc4514_string() == "CN=mail.example.test"
    assert "DNS:mail.example.test, DNS:pop.example.test" in samples.openssl(
        "x509", "-noout", "-ext", "subjectAltName", stdin=issued.certificate_pem
    )


def test_an_a_label_stands_in_the_san(ca: Authority) -> None:
    """The inventory turns メール into its A-label; OpenSSL shows it so."""
    name = "xn--9dtzf1c.example.jp"
    issued = issue(ca, checked(), names=(name,))
    assert f"DNS:{name}" in samples.openssl(
        "x509", "-noout", "-ext", "subjectAltName", stdin=issued.certificate_pem
    )


@pytest.mark.parametrize("serial", [0x0D, 0x0AB0, 2**127 + 1, 2**128 - 1])
def test_a_serial_has_one_spelling_everywhere(ca: Authority, serial: int) -> None:
    """What openssl prints, what is returned, what the ledger keeps."""
    issued = issue(replace(ca, draw_serial=lambda: serial))
    printed = samples.openssl("x509", "-noout", "-serial", stdin=issued.certificate_pem).strip()
    (kept,) = ca.ledger.issuances()
    assert printed == f"serial={issued.serial}"
    assert kept.serial == issued.serial
    ca.ledger.withdraw(printed.removeprefix("serial="), "run2")


def test_serials_are_random_positive_and_fit_twenty_octets() -> None:
    serials = {random_serial() for _ in range(1000)}
    assert len(serials) == 1000
    assert max(serial.bit_length() for serial in serials) > 120
    assert all(0 < serial < 2**159 for serial in serials)


def test_a_serial_that_is_in_the_ledger_is_not_issued_again(ca: Authority) -> None:
    forced = replace(ca, draw_serial=lambda: 0x0D)
    issue(forced)
    with pytest.raises(AuthorityError, match="nothing was issued"):
        issue(forced)
    assert len(ca.ledger.issuances()) == 1


@pytest.mark.parametrize("days", [1, 365, 398])
def test_the_lifetime_is_the_days_asked_for_and_begins_five_minutes_ago(ca: Authority, days: int) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    issued = ca.issue(checked(), GRANTED, days, host="mail1", run="run1", now=now)
    leaf = certificate.load(issued.certificate_pem, "leaf")
    assert leaf.not_valid_before_utc == issued.not_before == now - timedelta(minutes=5)
    # Both ends belong to it, so a second less than whole days.
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc + timedelta(seconds=1) == timedelta(days=days)
    assert leaf.not_valid_after_utc == issued.not_after


def test_the_certificate_is_in_the_ledger_as_it_was_returned(ca: Authority) -> None:
    issued = issue(ca)
    (kept,) = ca.ledger.issuances()
    assert kept.certificate_pem.encode() == issued.certificate_pem
    assert (kept.host, kept.run, kept.names, kept.serial) == ("mail1", "run1", GRANTED, issued.serial)
    assert (kept.not_before, kept.not_after) == (issued.not_before, issued.not_after)
    assert kept.public_key_sha256 == checked().public_key_sha256


def test_nothing_is_issued_while_the_ledger_is_held(ca: Authority) -> None:
    impatient = replace(ca, ledger=Ledger(ca.ledger.path, busy_timeout_s=0.2))
    database = sqlite3.connect(ca.ledger.path, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerBusy, match="nothing was issued"):
        issue(impatient)
    database.close()
    assert ca.ledger.issuances() == ()


def test_the_same_key_and_names_may_be_renewed(ca: Authority) -> None:
    assert issue(ca).serial != issue(ca).serial
    assert len(ca.ledger.issuances()) == 2


@pytest.mark.parametrize(
    ("names", "days", "words"),
    [
        (GRANTED, 0, "a lifetime of 0 days was asked for; 1 to 398 are issued"),
        (GRANTED, 399, "a lifetime of 399 days was asked for; 1 to 398 are issued"),
        ((), 365, "there is no name to issue for"),
        (("192.0.2.10",), 365, "'192.0.2.10' is an IP address"),
        (("メール.example.jp",), 365, "not ASCII"),
        (("a.jp.",), 365, "ends in a dot"),
    ],
)
def test_what_the_policy_forbids_is_not_issued_and_kept_as_a_refusal(
    ca: Authority, names: tuple[str, ...], days: int, words: str
) -> None:
    with pytest.raises(PolicyViolation, match=words) as refused:
        issue(ca, names=names, days=days)
    assert "Nothing was signed; the issuance table is unchanged." in str(refused.value)
    assert ca.ledger.issuances() == ()
    (refusal,) = ca.ledger.refusals()
    assert refusal.csr_sha256 == checked().csr_sha256
    assert words in refusal.reasons


def test_no_certificate_outlives_the_ca(ca: Authority) -> None:
    end = ca.certificate.not_valid_after_utc
    late = end - timedelta(days=364)
    with pytest.raises(PolicyViolation, match="after the CA's own end at"):
        ca.issue(checked(), GRANTED, 365, host="mail1", run="run1", now=late)
    issued = ca.issue(checked(), GRANTED, 364, host="mail1", run="run1", now=late)
    assert issued.not_after <= end


def test_no_certificate_begins_before_the_ca(ca: Authority) -> None:
    early = ca.certificate.not_valid_before_utc
    with pytest.raises(PolicyViolation, match="before the CA itself"):
        ca.issue(checked(), GRANTED, 365, host="mail1", run="run1", now=early)


def test_the_cas_own_key_gets_no_server_certificate(ca: Authority) -> None:
    with pytest.raises(PolicyViolation, match="the CA's own key"):
        issue(ca, checked(samples.csr(key=ca.key)))


def test_the_key_is_encrypted_and_openssl_opens_it(ca: Authority) -> None:
    content = (ca.directory / "ca.key").read_bytes()
    assert content.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    with pytest.raises(TypeError, match="encrypted"):
        load_pem_private_key(content, None)
    public = samples.openssl(
        "pkey", "-pubout", "-in", str(ca.directory / "ca.key"), "-passin", "stdin",
        stdin=PASSPHRASE.reveal().encode(),
    )  # fmt: skip
    assert public == samples.openssl("x509", "-noout", "-pubkey", stdin=ca.certificate_pem)


def test_the_passphrase_and_the_key_are_in_no_repr(ca: Authority) -> None:
    assert PASSPHRASE.reveal() not in repr(ca)
    assert "PrivateKey" not in repr(ca)


def test_the_directory_is_its_owners_alone(ca: Authority) -> None:
    issue(ca)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in ca.directory.iterdir()}
    assert modes == {"ca.key": 0o600, "ca.pem": 0o600, "ledger.sqlite3": 0o600}
    assert stat.S_IMODE(ca.directory.stat().st_mode) == 0o700
