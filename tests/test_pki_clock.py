"""The host's clock is measured; a small difference is taken, a large one refused with both times."""

import os
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pki_samples as samples
import pytest
from applied_host import RUNBOOK
from fake_chapters import write_inventory
from other_clock import by_another_clock

from runbook_lib.errors import ApplyRefused, AuthorityError
from runbook_lib.pki.clock import BACKDATE, check_clock_skew
from runbook_lib.pki.csr import check_csr

NOW = datetime(2026, 11, 25, 4, 30, 0, tzinfo=UTC)


def ca(
    folder: Path, offset: str, *words: str, csr: str = "", **environment_too: str
) -> subprocess.CompletedProcess[str]:
    command = [
        *by_another_clock(offset),
        str(RUNBOOK),
        "ca",
        *words,
        "--inventory",
        str(folder / "site.yaml"),
    ]
    return subprocess.run(
        command,
        input=csr,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"HOME": str(folder)} | environment_too,
    )


@pytest.mark.programs
def test_a_clock_that_cannot_be_right_signs_nothing(tmp_path: Path) -> None:
    """Years off there is no CA yet; behind what the ledger has, certificates and lists would lie about their time."""
    write_inventory(tmp_path, "mail1")
    refused = ca(tmp_path, "-16y", "init")
    assert refused.returncode == 1
    assert "this machine's clock says 2010-" in refused.stderr
    assert "Nothing was signed." in refused.stderr
    assert not (tmp_path / ".local/share/runbook/ca/ca.pem").exists()
    assert ca(tmp_path, "+0", "init").returncode == 0
    assert ca(tmp_path, "+0", "crl").returncode == 0
    for words in (("crl",), ("roll-over", "begin")):
        refused = ca(tmp_path, "-100d", *words)
        assert refused.returncode == 1, words
        assert "the CA's ledger has a row of" in refused.stderr, refused.stderr
        assert "set the clock" in refused.stderr
    assert ca(tmp_path, "-4m", "crl").returncode == 0


@pytest.mark.programs
def test_a_clock_years_ahead_signs_only_on_a_day_that_somebody_says(tmp_path: Path) -> None:
    """No clock here can tell years of rest from years ahead, so a person is asked, and a wrong day is refused."""
    write_inventory(tmp_path, "mail1")
    there = tmp_path / ".local/share/runbook/ca/ca.pem"
    ahead = datetime.now(UTC) + timedelta(days=4 * 365)
    for said, told in (
        ("", "the newest time that is known here"),
        (
            NOW.date().isoformat(),
            f"RUNBOOK_TODAY says {NOW.date().isoformat()}, and this machine's clock says",
        ),
        ("tomorrow", "RUNBOOK_TODAY is 'tomorrow', which is no day"),
    ):
        refused = ca(tmp_path, "+1460d", "init", RUNBOOK_TODAY=said)
        assert (refused.returncode, there.exists()) == (1, False)
        assert told in " ".join(refused.stderr.split())
        assert "Nothing was signed." in refused.stderr
    assert ca(tmp_path, "+0", "init").returncode == 0
    csr = samples.csr(("mail1.example.test",), "mail1.example.test").decode()
    refused = ca(tmp_path, "+1460d", "sign", "--host", "mail1", csr=csr)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "the newest time that is known here" in " ".join(refused.stderr.split())
    asked = ca(tmp_path, "+1460d", "crl", RUNBOOK_TODAY=ahead.date().isoformat())
    assert asked.returncode == 0, asked.stderr


def test_a_certificate_is_not_issued_before_the_last_one(tmp_path: Path) -> None:
    authority = samples.fresh_ca(tmp_path)
    csr = check_csr(samples.csr(), samples.GRANTED, "mail1")
    ahead = datetime.now(UTC) + timedelta(days=3)
    authority.issue(csr, samples.GRANTED, 30, host="mail1", run="run1", now=ahead)
    with pytest.raises(AuthorityError, match=r"the CA's ledger has a row of .*one of the two is wrong"):
        authority.issue(csr, samples.GRANTED, 30, host="mail1", run="run2")
    assert len(authority.ledger.issuances()) == 1


@pytest.mark.parametrize(
    ("skew", "stated"),
    [
        (timedelta(0), "the host's clock agrees with the controller's"),
        (timedelta(seconds=-1), "the host's clock is 1 second behind the controller's"),
        (timedelta(minutes=-4), "the host's clock is 4 minutes behind the controller's"),
        (timedelta(minutes=4), "the host's clock is 4 minutes ahead of the controller's"),
        (-BACKDATE, "the host's clock is 5 minutes behind the controller's"),
    ],
)
def test_a_small_skew_is_stated(skew: timedelta, stated: str) -> None:
    assert check_clock_skew(NOW + skew, NOW, "mail1") == stated


@pytest.mark.parametrize(
    "skew", [timedelta(days=-2), timedelta(minutes=10), -BACKDATE - timedelta(seconds=1)]
)
def test_a_large_skew_is_refused_with_both_times_in_utc(skew: timedelta) -> None:
    host = (NOW + skew).astimezone(timezone(timedelta(hours=9)))
    with pytest.raises(ApplyRefused) as refused:
        check_clock_skew(host, NOW, "mail1")
    message = str(refused.value)
    assert f"host {(NOW + skew).isoformat()}, controller 2026-11-25T04:30:00+00:00" in message
    assert "Nothing was changed." in message
    assert "+09:00" not in message


def test_two_days_are_told_in_days() -> None:
    with pytest.raises(ApplyRefused, match="2 days behind the controller's"):
        check_clock_skew(NOW - timedelta(days=2), NOW, "mail1")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (59, "59 seconds"),
        (60, "1 minute"),
        (119, "1 minute"),
        (3_599, "59 minutes"),
        (3_600, "1 hour"),
        (86_399, "23 hours"),
        (86_400, "1 day"),
    ],
)
def test_a_skew_is_told_in_the_largest_unit_that_is_full(seconds: int, told: str) -> None:
    try:
        stated = check_clock_skew(NOW - timedelta(seconds=seconds), NOW, "mail1")
    except ApplyRefused as refused:
        stated = refused.problem
    assert stated.startswith(f"the host's clock is {told} behind")
