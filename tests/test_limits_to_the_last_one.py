"""A limit that a message names holds to the last one: what is just inside is taken, what is one beyond is refused."""

from pathlib import Path

import pytest

from runbook_lib.credentials import Secret
from runbook_lib.errors import PolicyViolation
from runbook_lib.inventory import names
from runbook_lib.inventory.models import CertificateValues
from runbook_lib.pki import authority
from runbook_lib.pki.names import name_fault

LONGEST = ".".join(
    ["a" * 63] * 3 + ["b" * 61]
)  # RFC 1035 2.3.4: 255 octets on the wire, 253 characters as text


def test_a_name_of_253_characters_is_taken_and_one_of_254_refused() -> None:
    longer = f"{LONGEST}b"
    assert (len(LONGEST), len(longer)) == (253, 254)
    assert names.dns_name(LONGEST) == LONGEST
    assert name_fault(LONGEST) is None
    with pytest.raises(ValueError, match="is 254 characters long; expected at most 253"):
        names.dns_name(longer)
    assert name_fault(longer) == "has 254 characters; a DNS name has at most 253"


def test_a_part_of_63_characters_is_taken_and_one_of_64_refused() -> None:
    name, longer = f"{'a' * 63}.example.jp", f"{'a' * 64}.example.jp"
    assert names.dns_name(name) == name
    assert name_fault(name) is None
    with pytest.raises(ValueError, match="1 to 63 in each part"):
        names.dns_name(longer)
    assert "a label that no host name has" in str(name_fault(longer))


def test_a_certificate_is_renewed_later_than_on_its_first_day() -> None:
    """As many days left as it has lifetime: it would be due as soon as it is made."""
    values = {"key_passphrase": "env:KEY_PASSPHRASE", "valid_days": 20}
    assert CertificateValues.model_validate({**values, "renew_days": 19}).renew_days == 19
    for days in (20, 21):
        with pytest.raises(ValueError, match=f"has renew_days {days} with valid_days 20: every run would"):
            CertificateValues.model_validate({**values, "renew_days": days})


@pytest.mark.parametrize(("characters", "is_refused"), [(11, True), (12, False)])
def test_the_least_passphrase_of_a_ca_has_12_characters(
    tmp_path: Path, characters: int, is_refused: bool
) -> None:
    """All faults come at once: a lifetime of no day is one beside it, so that no key has to be made."""
    with pytest.raises(PolicyViolation, match="a lifetime of 0 days") as refused:
        authority.create(tmp_path / "ca", Secret("p" * characters), "Example mail CA", 0)
    assert ("the passphrase has fewer than 12 characters" in str(refused.value)) == is_refused


NAME_TOO_LONG = "the common name has 65 characters; expected 1 to 64 printable ones"
DAYS = "a lifetime of {} days was asked for; 1 to 7300 are taken"


@pytest.mark.parametrize(
    ("characters", "days", "told"),
    [
        (64, 7301, DAYS.format(7301)),
        (65, 7300, NAME_TOO_LONG),
        (65, 1, NAME_TOO_LONG),
        (1, 0, DAYS.format(0)),
    ],
)
def test_a_ca_has_a_name_of_64_characters_and_7300_days_at_most(
    tmp_path: Path, characters: int, days: int, told: str
) -> None:
    """Name or lifetime is refused alone where the other is the last that is taken."""
    with pytest.raises(PolicyViolation) as refused:
        authority.create(tmp_path / "ca", Secret("p" * 12), "n" * characters, days)
    assert refused.value.problem == told
