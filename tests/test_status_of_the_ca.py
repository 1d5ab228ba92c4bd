"""What `runbook status` says of the own CA: the stage of a roll-over, and what is due in it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pki_samples as samples
import pytest
from pki_samples import GRANTED, PASSPHRASE

from runbook_lib import inventory
from runbook_lib.pki import authority, certificate, rollover
from runbook_lib.pki.authority import begin_roll_over, open_ca, read_root
from runbook_lib.pki.csr import check_csr
from runbook_lib.site_ca.standing import CaStanding, look_at_ca

NAME = "Example mail CA"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return samples.fresh_ca(tmp_path).directory


def standing(place: Path, days: int = 30, valid_days: int = 365) -> CaStanding:
    site = SimpleNamespace(ca=SimpleNamespace(directory=str(place)))
    return look_at_ca(cast(inventory.Site, site), days, valid_days)


def issue(place: Path, host: str) -> str:
    checked = check_csr(samples.csr(), GRANTED, host)
    return open_ca(place, PASSPHRASE).issue(checked, GRANTED, host=host, run="run1").serial


def states(place: Path) -> list[tuple[str, str]]:
    return [(root.name, root.state) for root in standing(place).roots]


def test_each_stage_of_a_roll_over_is_told_with_what_is_due_in_it(place: Path) -> None:
    ledger = authority.open_ledger(place)
    first, second = issue(place, "mail1"), issue(place, "mail2")
    assert (states(place), standing(place).needs) == ([("CN=Example mail CA", "signs")], ())
    fourteen_days_ago = datetime.now(UTC) - timedelta(days=14)
    begin_roll_over(place, PASSPHRASE, NAME, 3650, fourteen_days_ago + timedelta(hours=1))
    assert states(place) == [
        ("CN=Example mail CA", "signs"),
        ("CN=Example mail CA 2", "handed out, signs nothing yet"),
    ]
    assert standing(place).needs == ()
    rollover.switch(ledger, handed_out=True)
    assert states(place) == [
        ("CN=Example mail CA 2", "signs"),
        ("CN=Example mail CA", "handed out, signs no more"),
    ]
    assert [need.partition(",")[0] for need in standing(place).needs] == [
        "mail1 has a certificate of root 1",
        "mail2 has a certificate of root 1",
    ]
    assert f"runbook ca revoke {first}" in standing(place).needs[0]
    assert f"runbook ca revoke {second}" in standing(place).needs[1]
    issue(place, "mail1")
    issue(place, "mail2")
    assert standing(place).needs == (
        "no host has a certificate of root 1 any more: runbook ca roll-over end",
    )
    rollover.end(ledger, certificate.load(read_root(place, 1), "old"))
    assert (states(place), standing(place).needs) == ([("CN=Example mail CA 2", "signs")], ())


def test_the_switch_is_asked_for_when_users_have_had_their_days(place: Path) -> None:
    begin_roll_over(place, PASSPHRASE, NAME, 3650, datetime.now(UTC) - timedelta(days=14, minutes=1))
    assert standing(place).needs == (
        "root 2 was made 14 days ago and signs nothing yet: runbook ca roll-over switch",
    )


def test_a_new_root_is_asked_for_before_the_old_one_is_too_short_to_sign(place: Path) -> None:
    (root,) = standing(place).roots
    assert standing(place, 30, root.days - 30).needs == ()
    (need,) = standing(place, 30, root.days - 29).needs
    assert need == (
        f"root 1 ends in {root.days} days, at {root.at}, and signs nothing that would outlive it "
        f"(certificates have {root.days - 29} days): runbook ca roll-over begin"
    )
