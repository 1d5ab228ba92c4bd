"""Who lost the right to a certificate gets no other one before a person says so, under no other name and for no key."""

from pathlib import Path
from typing import Any

import pki_samples as samples
import pytest
from pki_samples import GRANTED

from runbook_lib.errors import PolicyViolation
from runbook_lib.pki.authority import Authority, Issued
from runbook_lib.pki.csr import check_csr
from runbook_lib.pki.revocation import revoke

OTHERS = ("other.example.test",)


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return samples.fresh_ca(tmp_path)


def issue(
    ca: Authority,
    host: str = "mail1",
    names: tuple[str, ...] = GRANTED,
    granted_again: str | None = None,
    *,
    other_key: bool = False,
) -> Issued:
    csr = samples.csr(names, names[0], samples.p256_key() if other_key else None)
    checked = check_csr(csr, names, host)
    return ca.issue(checked, names, host=host, run="run1", granted_again=granted_again)


def test_nothing_is_issued_before_the_revoked_serial_is_named(ca: Authority) -> None:
    first = issue(ca)
    revoke(ca.ledger, first.serial, "privilegeWithdrawn", "run2")
    asked: dict[str, Any]
    for asked in (
        {"names": OTHERS, "other_key": True},  # the same host
        {"host": "mail2", "other_key": True},  # the same names
        {"host": "mail2", "names": OTHERS},  # the same key
        {"granted_again": "0D"},
    ):
        with pytest.raises(PolicyViolation, match=f'certificate.granted_again: "{first.serial}"'):
            issue(ca, **asked)
    issue(ca, "mail2", OTHERS, other_key=True)
    second = issue(ca, granted_again=first.serial)
    assert [one.serial for one in ca.ledger.issuances("mail1")] == [first.serial, second.serial]
    revoke(ca.ledger, second.serial, "privilegeWithdrawn", "run3")
    with pytest.raises(PolicyViolation, match=f'certificate.granted_again: "{second.serial}"'):
        issue(ca, granted_again=first.serial)


@pytest.mark.parametrize("reason", ["superseded", "unspecified", "cessationOfOperation"])
def test_another_reason_takes_no_right_away(ca: Authority, reason: str) -> None:
    first = issue(ca)
    revoke(ca.ledger, first.serial, reason, "run2")
    second = issue(ca)
    assert [one.serial for one in ca.ledger.issuances("mail1")] == [first.serial, second.serial]
