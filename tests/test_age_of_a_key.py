"""A key is as old as its file, or as its first certificate where the ledger has one from before that."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pki_samples as samples
import pytest
from pki_samples import GRANTED

from runbook_lib import inventory
from runbook_lib.pki.authority import Authority
from runbook_lib.pki.csr import check_csr
from runbook_lib.remote.facts import Fact
from runbook_lib.site_ca import renewal
from runbook_lib.x509.keys import public_key_sha256

FIRST = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=20)
DAY = FIRST + timedelta(days=200)  # certificate.rekey_after
BEFORE = f"before certificate.rekey_after ({DAY:%Y-%m-%d})"
EVE = f"it was made on {DAY - timedelta(days=1):%Y-%m-%d}, {BEFORE}"
NOW = DAY + timedelta(days=6)
MINUTES = timedelta(minutes=1)


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return samples.fresh_ca(tmp_path)


def why(ca: Authority, file_of: datetime, now: datetime = NOW) -> str:
    """What chapter 1-1 says of the key of the samples, whose file is of this moment by the host's clock."""
    values = SimpleNamespace(rekey_after=f"{DAY:%Y-%m-%d}", new_key_at_renewal=False, renew_days=30)
    site = SimpleNamespace(ca=SimpleNamespace(directory=str(ca.directory)))
    host = SimpleNamespace(name="mail1", purpose="mail", certificate=values)
    told = {
        "public_key": public_key_sha256(samples.rsa_key().public_key()),
        "key_made": str(int(file_of.timestamp())),
        "clock": str(int(now.timestamp())),
        "key_is_there": "",
        "certificate": "",
    }
    facts = {name: Fact(value, 0) for name, value in told.items()}
    return renewal.why_new_key(cast(inventory.Site, site), cast(inventory.Host, host), facts)


def issue(ca: Authority, at: datetime) -> str:
    issued = ca.issue(check_csr(samples.csr(), GRANTED, "mail1"), GRANTED, host="mail1", run="r", now=at)
    return issued.serial


def test_without_a_certificate_of_ours_the_file_says_it(ca: Authority) -> None:
    assert why(ca, DAY) == ""
    assert why(ca, DAY - MINUTES) == EVE
    assert why(ca, DAY - MINUTES, now=DAY - MINUTES) == ""  # the day has not come


def test_a_copied_or_restored_file_does_not_make_a_key_younger(ca: Authority) -> None:
    first = issue(ca, FIRST)
    ca.ledger.withdraw(first, "r2")  # the key was in use all the same
    issue(ca, NOW - MINUTES)
    assert why(ca, NOW) == f"it has had certificates since {FIRST:%Y-%m-%d} ({first}), {BEFORE}"


def test_an_older_file_than_the_ledger_knows_is_believed(ca: Authority) -> None:
    issue(ca, NOW)
    assert why(ca, DAY - 9 * MINUTES) == EVE


def test_a_new_key_is_not_replaced_again_where_the_controllers_clock_is_behind(ca: Authority) -> None:
    """The host's day has come when the controller's has not; more than five minutes between them are refused."""
    issue(ca, DAY - 4 * MINUTES)
    assert why(ca, DAY + MINUTES) == ""
