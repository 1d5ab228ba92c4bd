"""Of what a CA sent back each part is named by its number, and of a list that is too long it is said how much more."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from pki_chains import LEAF, LOWER, UPPER
from pki_returned_files import KEY, PLAIN, Format, der

from runbook_lib.errors import CertificateRefused, PrivateKeyReturned
from runbook_lib.pki import returned

WHERE = "mail1"


def refused(*files: tuple[str, bytes]) -> str:
    with pytest.raises(CertificateRefused) as told:
        returned.read(files, WHERE)
    return told.value.problem


def test_parts_of_a_file_are_numbered_from_one_in_their_order() -> None:
    came = returned.read([("all.der", der(LEAF) + der(UPPER) + der(LOWER))], WHERE)
    assert dict(came.places) == {LEAF: "all.der, part 1", UPPER: "all.der, part 2", LOWER: "all.der, part 3"}
    one_alone = returned.read([("mail.cer", der(LEAF))], WHERE)
    assert one_alone.places == ((LEAF, "mail.cer"),)


def test_the_part_that_is_a_key_is_named() -> None:
    key = KEY.private_bytes(Encoding.DER, Format.PKCS8, PLAIN)
    with pytest.raises(PrivateKeyReturned, match=r"all\.der, part 2 is or holds a private key"):
        returned.read([("all.der", der(LEAF) + key)], WHERE)


def test_of_a_certificate_that_came_twice_the_first_place_is_told() -> None:
    came = returned.read([("a.cer", der(LEAF)), ("b.cer", der(LEAF))], WHERE)
    assert came.places == ((LEAF, "a.cer"),)


@pytest.mark.parametrize(
    ("faults", "listed", "more"), [(2, 2, ""), (20, 20, ""), (21, 20, "1"), (45, 20, "25")]
)
def test_a_long_list_of_faults_shows_twenty_and_says_how_many_more(
    faults: int, listed: int, more: str
) -> None:
    lines = refused(*((f"{number}.txt", b"nothing") for number in range(1, faults + 1))).splitlines()
    assert lines[0] == ""
    shown = [line for line in lines[1:] if line.startswith("  - ") and ".txt: " in line]
    assert [line.split(".")[0] for line in shown] == [f"  - {number}" for number in range(1, listed + 1)]
    assert lines[1 + listed :] == ([f"  - and {more} more"] if more else [])


def test_one_fault_stands_alone_without_a_list() -> None:
    told = refused(("1.txt", b"nothing"))
    assert told.startswith("1.txt: ")
    assert "\n" not in told
