"""A root is good for the site's domains alone: the CA signs no other name, and clients would not accept one."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pki_samples as samples
import pytest
from cryptography import x509
from pki_samples import GRANTED, PASSPHRASE
from test_pki_authority import assert_validates, lint

from runbook_lib.errors import PolicyViolation
from runbook_lib.pki import authority, certificate, profile
from runbook_lib.pki.authority import Authority
from runbook_lib.pki.csr import check_csr

BANK = ("www.bank.example",)


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return authority.create(tmp_path / "ca", PASSPHRASE, "Example mail CA", domains=("example.test",))


def issue(ca: Authority, names: tuple[str, ...], domains: tuple[str, ...] = ()) -> authority.Issued:
    checked = check_csr(samples.csr(names, names[0]), names, "mail1")
    return ca.issue(checked, names, host="mail1", run="run1", domains=domains)


def signed_by_a_thief(ca: Authority) -> Iterator[tuple[x509.Certificate, bool]]:
    """The key itself signs here, past the policy: what a thief of it would do; and whether clients may accept it."""
    begin = datetime.now(UTC).replace(microsecond=0)
    validity = (begin - timedelta(minutes=4), begin + timedelta(days=30))
    server = samples.rsa_key().public_key()
    for names, good in ((("mail.example.test",), True), (("example.test",), True), (BANK, False),
                        (("mail.example.test", *BANK), False), (("notexample.test",), False)):  # fmt: skip
        yield profile.sign_leaf(ca.certificate, ca.key, server, names, 77, validity), good


def test_openssl_refuses_what_a_stolen_key_signs_outside_of_the_domains(
    ca: Authority, tmp_path: Path
) -> None:
    (tmp_path / "root.pem").write_bytes(ca.certificate_pem)
    ask = ("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", str(tmp_path / "root.pem"))
    for leaf, good in signed_by_a_thief(ca):
        if good:
            assert samples.openssl(*ask, stdin=certificate.as_pem(leaf)) == "stdin: OK\n"
            continue
        with pytest.raises(AssertionError, match="permitted subtree violation"):
            samples.openssl(*ask, stdin=certificate.as_pem(leaf))


def test_thunderbird_s_library_refuses_it_too(ca: Authority, tmp_path: Path) -> None:
    """NSS, by its own certutil: 'V' asks as for a TLS server."""

    def nss(*words: str | Path) -> str:
        command = ["certutil", "-d", f"sql:{tmp_path}", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return (done.stdout + done.stderr).strip()

    root, file = tmp_path / "root.pem", tmp_path / "leaf.pem"
    root.write_bytes(ca.certificate_pem)
    nss("-N", "--empty-password")
    assert nss("-A", "-n", "root", "-t", "C,,", "-a", "-i", root) == ""
    for leaf, good in signed_by_a_thief(ca):
        file.write_bytes(certificate.as_pem(leaf))
        assert nss("-A", "-n", "leaf", "-t", ",,", "-a", "-i", file) == ""
        told = nss("-V", "-n", "leaf", "-u", "V", "-e")
        assert told == "certutil: certificate is valid" if good else "not permitted to issue" in told
        nss("-D", "-n", "leaf")


def test_a_root_of_domains_is_a_root_for_every_verifier(ca: Authority, tmp_path: Path) -> None:
    assert lint(tmp_path, ca.certificate_pem) == ""
    constraints = ca.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert profile.domains_of(ca.certificate) == ("example.test",)
    assert_validates(ca, issue(ca, GRANTED, ("example.test",)))


def test_a_root_of_before_signs_no_name_outside_of_the_inventory_s_domains(tmp_path: Path) -> None:
    old = samples.fresh_ca(tmp_path)
    assert profile.domains_of(old.certificate) == ()
    with pytest.raises(
        PolicyViolation, match=r"'www.bank.example' is outside of example.test; .* site.ca.domains"
    ):
        issue(old, BANK, ("example.test",))
    assert old.ledger.issuances() == ()
    issue(old, BANK, ("example.test", "bank.example"))


def test_a_domain_that_came_later_needs_a_new_root(ca: Authority) -> None:
    both = ("example.test", "bank.example")
    with pytest.raises(PolicyViolation, match=r"which is all that the root is for; .* roll-over begin"):
        issue(ca, BANK, both)
    new = authority.begin_roll_over(ca.directory, PASSPHRASE, "Example mail CA", 3650, domains=both)
    assert profile.domains_of(new) == both
