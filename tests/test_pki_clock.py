"""The host's clock is measured; a small difference is taken, a large one refused with both times (C14)."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from runbook_lib.errors import ApplyRefused
from runbook_lib.pki.clock import BACKDATE, check_clock_skew

NOW = datetime(2026, 11, 25, 4, 30, 0, tzinfo=UTC)


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
