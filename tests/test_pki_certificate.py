"""Serials, fingerprints and names as OpenSSL spells them; when a certificate still fits."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pki_samples as samples
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st
from pki_samples import GRANTED

from runbook_lib.errors import CertificateRefused
from runbook_lib.pki import certificate
from runbook_lib.pki.authority import Authority
from runbook_lib.pki.csr import check_csr
from runbook_lib.pki.names import name_fault
from runbook_lib.x509 import keys
from runbook_lib.x509.certificate import spelled_serial

NOT_BEFORE, NOT_AFTER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
NAME = x509.Name.from_rfc4514_string("CN=mail.example.test")


def self_signed(serial: int, san: str = GRANTED[0]) -> bytes:
    """A certificate with any serial, by a key that is quick to make."""
    key = samples.p256_key()
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), serial, NOT_BEFORE, NOT_AFTER)
    names = x509.SubjectAlternativeName([x509.DNSName(san)])
    return certificate.as_pem(builder.add_extension(names, critical=False).sign(key, hashes.SHA256()))


@given(st.integers(min_value=0, max_value=2**160 - 1))
def test_a_serial_is_spelled_in_whole_octets_and_read_back(serial: int) -> None:
    spelled = spelled_serial(serial)
    assert len(spelled) % 2 == 0
    assert spelled == spelled.upper()
    assert int(spelled, 16) == serial
    assert not spelled.startswith("00") or serial == 0


@settings(max_examples=25, deadline=None)
@given(st.one_of(st.sampled_from([0x0D, 0x0AB0, 0x80, 0xFF]), st.integers(min_value=1, max_value=2**158)))
def test_openssl_spells_a_serial_the_same_way(serial: int) -> None:
    seen = samples.openssl("x509", "-noout", "-serial", stdin=self_signed(serial))
    assert seen == f"serial={spelled_serial(serial)}\n"


def test_leading_zeros_stay() -> None:
    assert [spelled_serial(serial) for serial in (0x0D, 0x0AB0)] == ["0D", "0AB0"]


def test_describe_says_what_openssl_says(tmp_path: Path) -> None:
    ca = samples.fresh_ca(tmp_path)
    checked = check_csr(samples.csr(), GRANTED, "csr")
    issued = ca.issue(checked, GRANTED, 365, host="mail1", run="run1")
    rows = dict(certificate.describe(issued.certificate_pem))
    printed = samples.openssl(
        "x509", "-noout", "-serial", "-fingerprint", "-sha256", "-dates", "-dateopt", "iso_8601",
        stdin=issued.certificate_pem,
    )  # fmt: skip
    for line in (
        f"serial={rows['serial']}",
        f"sha256 Fingerprint={rows['SHA-256']}",
        f"notBefore={rows['valid from'].replace('T', ' ').replace('+00:00', 'Z')}",
        f"notAfter={rows['valid to'].replace('T', ' ').replace('+00:00', 'Z')}",
    ):
        assert line in printed.splitlines()
    assert rows["DNS names"] == "mail.example.test, pop.example.test"
    assert (rows["key"], rows["issuer"]) == ("RSA 2048", "CN=Example mail CA")


def test_what_is_no_certificate_is_refused_with_its_place() -> None:
    with pytest.raises(CertificateRefused, match=r"(?s)mail1, x\.pem: line 1: .*no certificate"):
        certificate.describe(
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "mail1, x.pem"
        )


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("mail.example.jp", None),
        ("MAIL.example.jp", None),
        ("xn--zckzah.example.jp", None),
        ("*.example.jp", None),
        ("mail", None),
        ("", "empty"),
        (" ", "blank"),
        ("a b.example.jp", "blank"),
        ("a\n.example.jp", "blank"),
        ("mail.example.jp.", "dot"),
        (".example.jp", "label"),
        ("a..example.jp", "label"),
        ("-a.example.jp", "label"),
        ("a-.example.jp", "label"),
        ("a_b.example.jp", "label"),
        ("a.*.jp", "label"),
        ("*a.example.jp", "label"),
        ("*", "top-level"),
        ("*.jp", "top-level"),
        ("メール.example.jp", "A-label"),
        ("192.0.2.1", "IP address"),
        ("[2001:db8::1]", "IP address"),
        ("10.20", "number"),
        ("a" * 64 + ".jp", "label"),
        (".".join(["a" * 60] * 5), "253"),
    ],
)
def test_odd_names_are_told_from_sound_ones(name: str, fault: str | None) -> None:
    said = name_fault(name)
    assert said is None if fault is None else said is not None and fault in said


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return samples.fresh_ca(tmp_path)


def test_a_certificate_fits_until_it_is_due(ca: Authority) -> None:
    """An empty second apply rests on this."""
    checked = check_csr(samples.csr(), GRANTED, "csr")
    now = datetime.now(UTC)
    issued = ca.issue(checked, GRANTED, 365, host="mail1", run="run1", now=now)

    def status(at: datetime) -> str:
        return certificate.leaf_status(
            issued.certificate_pem, checked.public_key_sha256, GRANTED, ca.certificate_pem, 30, at
        )

    assert status(now) == certificate.FITS
    assert status(now + timedelta(days=334)) == certificate.FITS
    assert status(now + timedelta(days=335)) == "29 days are left, and it is renewed from 30 days on"
    assert status(now + timedelta(days=366)).startswith("it expired at ")
    assert status(now - timedelta(minutes=6)).startswith("it is not valid before ")


def test_a_certificate_that_does_not_fit_says_why(ca: Authority) -> None:
    checked = check_csr(samples.csr(), GRANTED, "csr")
    issued = ca.issue(checked, GRANTED, 365, host="mail1", run="run1")
    key, pem = checked.public_key_sha256, issued.certificate_pem

    def status(content: bytes = pem, digest: str = key, names: tuple[str, ...] = GRANTED) -> str:
        return certificate.leaf_status(content, digest, names, ca.certificate_pem, 30)

    assert status(names=tuple(reversed(GRANTED))) == certificate.FITS
    assert status(b"") == "there is no certificate yet"
    assert status(pem.replace(b"-----END", b"----END")).startswith(
        "the file is not a certificate that OpenSSL reads"
    )
    assert status(digest="00" * 32) == "it is for another key than the server's"
    assert status(names=(*GRANTED, "imap.example.test")) == "it lacks imap.example.test"
    assert status(names=("smtp.example.test",)) == (
        "it lacks smtp.example.test; it has mail.example.test, pop.example.test, no longer granted"
    )
    own = self_signed(7)
    digest = keys.public_key_sha256(samples.p256_key().public_key())
    assert status(own, digest) == "it was not issued by this CA (issuer: CN=mail.example.test)"
