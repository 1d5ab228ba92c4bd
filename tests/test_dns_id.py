"""One rule says which names a certificate covers, for the CA, for what users get, and for what servers show."""

from datetime import UTC, datetime, timedelta

import pki_samples as samples
import pytest
from clients_samples import settings
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.errors import NameNotCovered
from runbook_lib.pki import certificate
from runbook_lib.pki.chain_faults import names_not_covered
from runbook_lib.x509 import dns_id

# A DNS name of a certificate, what a client connects to, and whether that is covered: RFC 9525 6.3.
TABLE = (
    ("mail.example.jp", "mail.example.jp", True),
    ("mail.example.jp", "MAIL.EXAMPLE.JP", True),
    ("mail.example.jp", "pop.example.jp", False),
    ("mail.example.jp", "example.jp", False),
    ("example.jp", "mail.example.jp", False),
    ("*.example.jp", "mail.example.jp", True),
    ("*.example.jp", "Mail.Example.jp", True),
    ("*.example.jp", "a.b.example.jp", False),
    ("*.example.jp", "example.jp", False),
    ("*.example.jp", "mail.example.com", False),
    ("mail.*.jp", "mail.example.jp", False),
    ("*.*.jp", "mail.example.jp", False),
    ("*.jp", "example.jp", False),
    ("*.jp", "mail.example.jp", False),
    ("xn--fsq.example.jp", "xn--fsq.example.jp", True),
)
# OpenSSL takes a part of a label, too, and an empty one; by RFC 9525 6.3 a wildcard is a whole label.
STRICTER = (
    ("m*.example.jp", "mail.example.jp"),
    ("*l.example.jp", "mail.example.jp"),
    ("*", "mail"),
    ("*", ""),
    ("*.example.jp", ".example.jp"),
)
LABELS = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,4}[a-z0-9])?\Z")
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)


def certificate_for(name: str) -> x509.Certificate:
    """A certificate with one DNS name."""
    key, now = samples.p256_key(), datetime.now(UTC)
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "not.looked.at")])
    builder = x509.CertificateBuilder(
        who, who, key.public_key(), 5, now - timedelta(days=1), now + timedelta(days=1)
    )
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    return builder.add_extension(names, critical=False).sign(key, hashes.SHA256())


@pytest.mark.parametrize(("pattern", "name", "covered"), TABLE)
def test_every_part_and_openssl_say_the_same_of_a_name(pattern: str, name: str, covered: bool) -> None:
    leaf = certificate_for(pattern)
    assert dns_id.covers(leaf, name) is covered
    assert (names_not_covered(leaf, [name]) == []) is covered
    said = samples.openssl("x509", "-noout", "-checkhost", name, stdin=certificate.as_pem(leaf))
    assert ("does match" in said) is covered


@pytest.mark.parametrize(("pattern", "name"), STRICTER)
def test_a_part_of_a_label_stands_for_nothing(pattern: str, name: str) -> None:
    assert not dns_id.matches(pattern, name)


def test_users_get_no_files_for_a_name_that_a_wildcard_over_a_top_level_domain_would_cover() -> None:
    with pytest.raises(NameNotCovered):
        settings(smtp_name="example.jp", pop_name=None, certificate_names=("*.jp",))
    assert settings(smtp_name="mail.example.jp", pop_name=None, certificate_names=("*.example.jp",))


@given(NAMES, NAMES)
def test_a_wildcard_stands_for_one_whole_leftmost_label(first: str, second: str) -> None:
    assert dns_id.matches(first, first.upper())
    assert dns_id.matches(first, second) == (first == second)
    under = f"{first}.example.jp"
    assert dns_id.matches("*.example.jp", under) == ("." not in first)
