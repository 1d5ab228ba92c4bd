"""The next root may live as long as the first one: 1 to 7300 days, both included."""

from pathlib import Path

import pytest
from pki_samples import PASSPHRASE, fresh_ca

from runbook_lib.errors import PolicyViolation
from runbook_lib.pki import authority


@pytest.mark.parametrize("days", [-1, 0, 7301])
def test_another_lifetime_is_refused_before_anything_is_made(tmp_path: Path, days: int) -> None:
    place = fresh_ca(tmp_path).directory
    before = sorted(place.iterdir())
    with pytest.raises(PolicyViolation, match=f"a lifetime of {days} days was asked for; 1 to 7300"):
        authority.begin_roll_over(place, PASSPHRASE, "Example mail CA", days)
    assert sorted(place.iterdir()) == before


@pytest.mark.parametrize("days", [1, 7300])
def test_the_shortest_and_the_longest_are_taken(tmp_path: Path, days: int) -> None:
    root = authority.begin_roll_over(fresh_ca(tmp_path).directory, PASSPHRASE, "Example mail CA", days)
    lasts = root.not_valid_after_utc - root.not_valid_before_utc
    assert (lasts.days, lasts.seconds) == (days - 1, 86399)
