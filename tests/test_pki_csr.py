"""A CSR gets what the inventory grants and nothing else; a refusal tells every reason and signs nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pki_samples as samples
import pytest
from cryptography import x509
from pki_refused_csrs import REFUSED, Make, rsa_csr, unframed
from pki_samples import GRANTED, csr, openssl_csr

from runbook_lib.errors import CsrRefused
from runbook_lib.pki import pem
from runbook_lib.pki.authority import Authority
from runbook_lib.pki.csr import check_csr

WHERE = "mail1, csr_mail-server.pem"


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    """A CA that has issued one certificate, so that there is something to be left as it was."""
    ca = samples.fresh_ca(tmp_path)
    ca.issue(check_csr(csr(), GRANTED, WHERE), GRANTED, 365, host="mail1", run="run0")
    return ca


def issuance_table(ca: Authority) -> list[str]:
    """The table, as SQL that holds each byte of it."""
    with closing(sqlite3.connect(ca.ledger.path)) as database:
        return [line for line in database.iterdump() if "issuances" in line]


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_csr_leaves_the_issuances_and_a_row_among_the_refusals(
    case: str, ca: Authority, tmp_path: Path
) -> None:
    make, words = REFUSED[case]
    request = make(tmp_path)
    before = issuance_table(ca)
    with pytest.raises(CsrRefused) as refused:
        ca.check_csr(request, GRANTED, WHERE, host="mail1", run="run1")
    message = str(refused.value)
    for word in (*words, WHERE, "Nothing was signed; the issuance table is unchanged.", "To do: "):
        assert word in message
    assert issuance_table(ca) == before
    (refusal,) = ca.ledger.refusals()
    assert (refusal.host, refusal.run, refusal.reasons) == ("mail1", "run1", refused.value.problem)
    assert refusal.csr_sha256 == samples.sha256(request)


TAKEN: dict[str, tuple[Make, str, tuple[str, ...]]] = {
    "RSA 2048": (lambda _: csr(), "RSA 2048", GRANTED),
    "RSA 3072": (lambda _: csr(key=samples.rsa_key(3072)), "RSA 3072", GRANTED),
    "RSA 4096": (rsa_csr("-newkey", "rsa:4096"), "RSA 4096", GRANTED[:1]),
    "P-256": (lambda _: csr(key=samples.p256_key()), "P-256", GRANTED),
    "a CN and no SAN, as in 2013": (lambda _: csr(()), "RSA 2048", GRANTED[:1]),
    "a SAN and no CN": (lambda _: csr(common_name=None), "RSA 2048", GRANTED),
    "one name of two": (lambda _: csr(GRANTED[1:], GRANTED[1]), "RSA 2048", GRANTED[1:]),
    "upper case": (lambda _: csr(("MAIL.Example.TEST",)), "RSA 2048", GRANTED[:1]),
    "the whole subject that openssl asks for": (
        rsa_csr("-subj", "/C=JP/ST=Tokyo/L=Chuo/O=Example/OU=Mail/CN=mail.example.test"),
        "RSA 2048",
        GRANTED[:1],
    ),
    "what openssl's own settings add": (
        rsa_csr(
            "-addext", "basicConstraints=CA:FALSE",
            "-addext", "keyUsage=nonRepudiation,digitalSignature,keyEncipherment",
            "-addext", "extendedKeyUsage=serverAuth",
            "-addext", "subjectAltName=DNS:mail.example.test,DNS:pop.example.test",
        ),
        "RSA 2048",
        GRANTED,
    ),
    "signed with PSS": (rsa_csr("-sigopt", "rsa_padding_mode:pss"), "RSA 2048", GRANTED[:1]),
    "CRLF and a BOM": (lambda _: b"\xef\xbb\xbf" + csr().replace(b"\n", b"\r\n"), "RSA 2048", GRANTED),
    "openssl's text before it": (rsa_csr("-text"), "RSA 2048", GRANTED[:1]),
    "the frame of older programs": (
        unframed(b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"), "RSA 2048", GRANTED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
def test_a_sound_csr_is_taken(case: str, tmp_path: Path) -> None:
    make, key, names = TAKEN[case]
    checked = check_csr(make(tmp_path), GRANTED, WHERE)
    assert (checked.key, checked.names) == (key, names)


def test_the_keys_digest_is_what_openssl_computes(tmp_path: Path) -> None:
    """So that a shell on the host and this library can compare keys."""
    request = openssl_csr(tmp_path, "-newkey", "rsa:2048")
    public = samples.openssl("pkey", "-in", str(tmp_path / "openssl.key"), "-pubout")
    checked = check_csr(request, GRANTED, WHERE)
    assert checked.public_key_sha256 == samples.sha256(pem.read(public.encode(), "X", 9999).blocks[0].der)


def test_a_larger_key_may_be_demanded() -> None:
    with pytest.raises(CsrRefused, match=r"RSA 2048; taken are RSA 3072, 4096 and P-256"):
        check_csr(csr(), GRANTED, WHERE, key_bits_min=3072)


def test_a_granted_wildcard_is_taken() -> None:
    assert (
        check_csr(csr(("*.example.test",)), [*GRANTED, "*.example.test"], WHERE).names[0] == "*.example.test"
    )


def test_all_reasons_are_told_at_once() -> None:
    request = csr(
        ("www.example.jp", "192.0.2.1"),
        key=samples.rsa_key(1024),
        change=lambda builder: builder.add_extension(x509.BasicConstraints(True, None), critical=True),
    )
    with pytest.raises(CsrRefused) as refused:
        check_csr(request, GRANTED, WHERE)
    assert refused.value.problem.splitlines() == [
        "refused for 4 reasons:",
        "  - has a key of RSA 1024; taken are RSA 2048, 3072, 4096 and P-256",
        "  - asks to be a CA (basicConstraints CA:TRUE)",
        "  - asks for the name www.example.jp, which the inventory does not grant "
        "(granted: mail.example.test, pop.example.test)",
        "  - asks for the name '192.0.2.1', which is an IP address, not a DNS name; clients compare "
        "addresses with another field and refuse it",
    ]


def test_a_refusal_never_shows_a_private_key() -> None:
    secret = samples.private_pem(samples.p256_key())
    for content in (secret + csr(), secret.replace(b"\n", b" ") + csr(), csr() + secret[:-30]):
        with pytest.raises(CsrRefused) as refused:
            check_csr(content, GRANTED, WHERE)
        assert secret.splitlines()[1].decode()[:20] not in str(refused.value)
