"""Lines of base64 may be as long as mail makes them (76 characters, RFC 2045); longer ones lost their line breaks."""

import textwrap

import pytest

from runbook_lib.pki import pem

FRAME = "-----BEGIN CERTIFICATE-----"
DER = bytes(range(256))


def read(lines: list[str]) -> pem.Framing:
    return pem.read("\n".join([*lines, ""]).encode(), "CERTIFICATE", 10_000)


@pytest.mark.parametrize("characters", [4, 64, 76])
def test_lines_of_up_to_76_characters_are_taken(characters: int) -> None:
    begin, *body, end = pem.block("CERTIFICATE", DER).decode().splitlines()
    found = read([begin, *textwrap.wrap("".join(body), characters), end])
    assert ([block.der for block in found.blocks], found.faults) == ([DER], ())


def test_a_line_of_77_has_lost_its_line_breaks() -> None:
    begin, *body, end = pem.block("CERTIFICATE", DER).decode().splitlines()
    (fault,) = read([begin, *textwrap.wrap("".join(body), 77), end]).faults
    assert fault.startswith("line 2: the framing is wrong, not the certificate: 77 characters in it")


@pytest.mark.parametrize(("characters", "is_shown"), [(76, True), (77, False)])
def test_a_wrong_frame_is_shown_as_far_as_a_line_goes(characters: int, is_shown: bool) -> None:
    line = f"{FRAME} ".ljust(characters, "x")
    fault = read([line]).faults[0]
    assert fault.startswith("line 1: the framing is wrong, not the certificate")
    assert (f"and it is '{line}'" in fault) == is_shown
    assert ("and it is longer: its line breaks were lost" in fault) == (not is_shown)


def test_a_file_may_have_the_last_byte_that_is_named() -> None:
    content = pem.block("CERTIFICATE", DER)
    assert pem.read(content, "CERTIFICATE", len(content)).faults == ()
    (fault,) = pem.read(content, "CERTIFICATE", len(content) - 1).faults
    assert fault == f"the file has {len(content)} bytes; at most {len(content) - 1} are read"
