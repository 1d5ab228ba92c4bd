"""Revoked by serial, in one spelling everywhere; the list of it, as openssl reads it, has an end of its own."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pki_samples as samples
import pytest
from pki_samples import GRANTED

from runbook_lib.errors import ApplyRefused, AuthorityError, PolicyViolation, UsageError
from runbook_lib.pki import crl
from runbook_lib.pki.authority import Authority, Issued
from runbook_lib.pki.csr import check_csr
from runbook_lib.pki.ledger import Ledger
from runbook_lib.pki.revocation import REASONS, as_spelled, revocations, revoke

SHORT, LEADING_ZERO = "0D", "0AB0112233445566778899AABBCCDDEE"  # each with a zero in front


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return samples.fresh_ca(tmp_path)


def issue(ca: Authority, serial: str, now: datetime | None = None) -> Issued:
    checked = check_csr(samples.csr(), GRANTED, "mail1")
    drawing = replace(ca, draw_serial=lambda: int(serial, 16))
    return drawing.issue(checked, GRANTED, host="mail1", run="run1", now=now)


def listed(ca: Authority, days: int = 30, now: datetime | None = None) -> crl.Crl:
    return crl.make(ca.ledger, ca.certificate, ca.key, 1, days, now)


def text_of(made: crl.Crl) -> str:
    return samples.openssl("crl", "-noout", "-text", stdin=made.crl_pem)


@pytest.mark.parametrize("serial", [SHORT, LEADING_ZERO])
def test_a_serial_has_one_spelling_in_openssl_ledger_and_list(ca: Authority, serial: str) -> None:
    """A zero at the front, and an odd number of digits without it."""
    issued = issue(ca, serial)
    shown = samples.openssl("x509", "-noout", "-serial", stdin=issued.certificate_pem)
    assert shown == f"serial={serial}\n"
    (kept,) = ca.ledger.issuances()
    revoke(ca.ledger, serial, "superseded", "run2")
    assert f"    Serial Number: {serial}\n" in text_of(listed(ca))
    assert [kept.serial, issued.serial, *revocations(ca.ledger)] == [serial] * 3


@pytest.mark.parametrize("given", ["0x0d", "d", "0D", "0d", " 0D ", "00:0D", "0x000d"])
def test_any_spelling_finds_the_certificate(ca: Authority, given: str) -> None:
    issue(ca, SHORT)
    assert revoke(ca.ledger, given, "superseded", "run2").serial == SHORT


@pytest.mark.parametrize("given", ["", "0x", "mail1", "-0D", "0D0G", "0", "１"])
def test_what_is_no_serial_is_refused_before_the_ledger_is_asked(given: str) -> None:
    with pytest.raises(UsageError, match="is no serial number"):
        as_spelled(given)


def test_openssl_refuses_the_revoked_and_takes_the_others(ca: Authority, tmp_path: Path) -> None:
    bad, good = issue(ca, SHORT), issue(ca, LEADING_ZERO)
    revoke(ca.ledger, SHORT, "keyCompromise", "run2")
    made = listed(ca)
    (tmp_path / "both.pem").write_bytes(ca.certificate_pem + made.crl_pem)
    (tmp_path / "crl.der").write_bytes(made.der)
    ask = ("verify", "-x509_strict", "-crl_check", "-CAfile", str(tmp_path / "both.pem"))
    assert samples.openssl(*ask, stdin=good.certificate_pem) == "stdin: OK\n"
    with pytest.raises(AssertionError, match="certificate revoked"):
        samples.openssl(*ask, stdin=bad.certificate_pem)
    fingerprints = [
        samples.openssl("crl", "-noout", "-fingerprint", "-sha256", "-inform", form, stdin=content)
        for form, content in (("PEM", made.crl_pem), ("DER", made.der))
    ]
    assert fingerprints[0] == fingerprints[1]


def test_the_list_has_what_rfc_5280_asks_for(ca: Authority) -> None:
    """5.1.2 and 5.2: version 2, both times, identifier of the key, number; a reason unless it is unspecified."""
    now = datetime(2026, 11, 25, 4, 30, 0, tzinfo=UTC)
    issue(ca, SHORT)
    issue(ca, LEADING_ZERO)
    revoke(ca.ledger, SHORT, "keyCompromise", "run2")
    revoke(ca.ledger, LEADING_ZERO, "unspecified", "run2")
    text = text_of(listed(ca, days=7, now=now))
    for line in (
        "Version 2 (0x1)",
        "Signature Algorithm: sha256WithRSAEncryption",
        "Last Update: Nov 25 04:25:00 2026 GMT",
        "Next Update: Dec  2 04:30:00 2026 GMT",
        "X509v3 Authority Key Identifier:",
        "X509v3 CRL Number: \n                1\n",
        "X509v3 CRL Reason Code: \n                Key Compromise\n",
    ):
        assert line in text
    assert text.count("CRL Reason Code") == 1
    assert "Issuer: CN = Example mail CA" in text


def test_an_empty_list_is_a_list(ca: Authority) -> None:
    assert "No Revoked Certificates." in text_of(listed(ca))


def test_numbers_grow_and_what_was_revoked_stays_in_every_list(ca: Authority) -> None:
    issue(ca, SHORT)
    revoke(ca.ledger, SHORT, "superseded", "run2")
    lists = [listed(ca) for _ in range(3)]
    assert [one.number for one in lists] == [1, 2, 3]
    assert [one.entries for one in lists] == [1, 1, 1]
    assert crl.newest(ca.ledger) == (lists[2],)


def test_a_second_revocation_an_unknown_serial_and_a_reason_of_no_server_are_refused(ca: Authority) -> None:
    issue(ca, SHORT)
    revoke(ca.ledger, SHORT, "superseded", "run2")
    with pytest.raises(ApplyRefused, match=r"0D is revoked already, since .* \(superseded\)"):
        revoke(ca.ledger, SHORT, "keyCompromise", "run3")
    with pytest.raises(AuthorityError, match="issued no certificate with the serial 0E"):
        revoke(ca.ledger, "e", "superseded", "run2")
    for reason in ("cACompromise", "certificateHold", "removeFromCRL", "KeyCompromise", ""):
        with pytest.raises(UsageError, match="give one of unspecified, keyCompromise"):
            revoke(ca.ledger, SHORT, reason, "run2")
    assert len(revocations(ca.ledger)) == 1
    assert len(REASONS) == 6


@pytest.mark.parametrize("days", [0, -1, 399])
def test_a_list_without_a_sensible_end_is_not_made(ca: Authority, days: int) -> None:
    with pytest.raises(PolicyViolation, match="1 to 398 are made"):
        listed(ca, days)
    assert crl.newest(ca.ledger) == ()


@pytest.mark.parametrize("table", ["revocations", "crls"])
def test_the_file_itself_refuses_to_forget(ca: Authority, table: str) -> None:
    issue(ca, SHORT)
    revoke(ca.ledger, SHORT, "superseded", "run2")
    listed(ca)
    with closing(sqlite3.connect(ca.ledger.path)) as database:
        for begin, rest in (("DELETE FROM", ""), ("UPDATE", "SET rowid = 7")):
            with pytest.raises(sqlite3.IntegrityError, match="is never"):
                database.execute(f"{begin} {table} {rest}")


def test_a_ledger_of_before_is_grown_and_keeps_its_rows(ca: Authority) -> None:
    issued = issue(ca, SHORT)
    with closing(sqlite3.connect(ca.ledger.path, isolation_level=None)) as database:
        for table in ("revocations", "crls", "roots"):
            database.execute(f"DROP TABLE {table}")
        database.execute("PRAGMA user_version = 1")
    old = Ledger(ca.ledger.path)
    assert [one.certificate_pem.encode() for one in old.issuances()] == [issued.certificate_pem]
    revoke(old, SHORT, "superseded", "run2")
    assert list(revocations(old)) == [SHORT]
