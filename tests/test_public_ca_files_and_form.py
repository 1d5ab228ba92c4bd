"""What is sent to a public CA says what its form asks; the files that come back are found where a person put them."""

import os
from pathlib import Path

import pki_samples as samples
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from runbook_lib.errors import UsageError
from runbook_lib.pki import pem, request_form
from runbook_lib.pki.csr import check_csr
from runbook_lib.site_ca.public_ca import read_files

NAMES = ("xn--zckzah.example.test", "pop.example.test")


def answers(request: bytes, today: str = "2026-11-26", names: tuple[str, ...] = NAMES) -> dict[str, str]:
    return dict(request_form.rows(check_csr(request, names, "mail1"), ["example.test"], today))


def test_the_form_is_answered_from_the_csr() -> None:
    request = samples.csr(NAMES, NAMES[0])
    said = answers(request)
    assert (
        said["names (SAN), all of them"] == "xn--zckzah.example.test (テスト.example.test), pop.example.test"
    )
    assert said["common name"] == "xn--zckzah.example.test (テスト.example.test)"
    assert said["key"] == "RSA 2048"
    assert said["signature of the CSR"] == "good, SHA256"
    assert said["SHA-256 of the CSR's file"] == samples.sha256(request)
    public = samples.openssl("req", "-noout", "-pubkey", stdin=request).encode()
    spki = pem.read(public, "PUBLIC KEY", 9999).blocks[0].der
    assert said["SHA-256 of its public key"] == samples.sha256(spki)
    assert said["organisation"].startswith("none in the CSR")
    assert "postmaster@" in said["how control of the domain is proven"]


def test_an_organisation_in_the_csr_is_shown_as_text() -> None:
    evil = "Example \x1b[2J K.K."
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, NAMES[0]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, evil),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
        ]
    )
    san = x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(san, critical=False)
    request = builder.sign(samples.rsa_key(), hashes.SHA256()).public_bytes(Encoding.PEM)
    assert answers(request)["organisation"] == "organisation Example \\x1b[2J K.K., country JP"


@pytest.mark.parametrize(
    ("today", "lifetime"),
    [
        ("2025-12-31", "at most 398 days {} (200 from 2026-03-15, 100 from 2027-03-15, 47 from 2029-03-15)"),
        ("2026-03-15", "at most 200 days {} (100 from 2027-03-15, 47 from 2029-03-15)"),
        ("2028-01-01", "at most 100 days {} (47 from 2029-03-15)"),
        ("2029-03-15", "at most 47 days {}"),
    ],
)  # fmt: skip
def test_the_lifetime_is_that_of_the_day(today: str, lifetime: str) -> None:
    assert answers(samples.csr(NAMES, NAMES[0]), today)["lifetime"].split(";")[0] == lifetime.format(
        "from a public CA"
    )


def test_a_folder_stands_for_its_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for name in ("b.crt", "a.p7b", "inner/not.pem"):
        (tmp_path / name).write_bytes(b"-----BEGIN " + name.encode())
    (tmp_path / "alone.pem").write_bytes(b"\x30")
    found, _ = read_files([tmp_path], "mail1")
    assert [name for name, _ in found] == ["a.p7b", "alone.pem", "b.crt"]
    assert [content[-5:] for _, content in found] == [b"a.p7b", b"\x30", b"b.crt"]
    assert read_files([tmp_path / "b.crt", tmp_path / "alone.pem"], "mail1")[0] == [found[2], found[1]]


def test_what_a_desktop_leaves_beside_certificates_is_left_out_and_said(tmp_path: Path) -> None:
    beside = {
        ".DS_Store": b"\0\0\0\1Bud1\0", "._mail.crt": b"\0\5\x16\7\0\2\0\0", "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1",
        "desktop.ini": b"[.ShellClassInfo]\r\nIconResource=x\r\n", "README": b"Thank you for your order\n",
        ".keep": b"",
    }  # fmt: skip
    for name, content in {
        **beside,
        "mail.crt": samples.csr(),
        "key.pem": b"-----BEGIN PRIVATE KEY-----",
    }.items():
        (tmp_path / name).write_bytes(content)
    found, said = read_files([tmp_path], "mail1")
    assert [name for name, _ in found] == ["key.pem", "mail.crt"]
    assert said == tuple(f"{name} left out: no certificate is in it" for name in sorted(beside))
    alone, silent = read_files(
        [tmp_path / "README"], "mail1"
    )  # named by a person: it is refused with its fault
    assert ([name for name, _ in alone], silent) == (["README"], ())


def test_what_is_no_file_is_said_before_anything_is_read(tmp_path: Path) -> None:
    """A pipe would be waited for, and a device never ends."""
    os.mkfifo(tmp_path / "pipe")
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 5_000_000)
    for path, words in (
        (tmp_path / "none.pem", "is not there, or no file"),
        (tmp_path / "pipe", "is not there, or no file"),
        (Path("/dev/zero"), "is not there, or no file"),
        (large, "has 5000000 bytes"),
    ):
        with pytest.raises(UsageError, match=words) as refused:
            read_files([path], "mail1, what the CA returned")
        assert str(path) in str(refused.value)
