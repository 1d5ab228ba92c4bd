"""A certificate that was revoked is named where it is in use, and no way back brings it, or its key, to a host."""

import shutil
from pathlib import Path

import pytest
from applied_host import applied
from test_a_new_key_and_a_new_certificate import HOST, SIGNING, inventory, pair, run
from test_promises_failed_verification import FORWARD

from lab import Lab
from runbook_lib import inventory as inventories
from runbook_lib.afterwards import overview, way_back
from runbook_lib.chapters.verification import verify_host
from runbook_lib.errors import ApplyRefused, PolicyViolation, VerificationFailed
from runbook_lib.pki import authority
from runbook_lib.pki.revocation import revoke


def test_a_compromised_key_is_named_while_it_serves_and_is_brought_back_by_nothing(
    lab: Lab, tmp_path: Path
) -> None:
    applied(lab, HOST)
    chosen = inventory(lab, tmp_path, ca=shutil.copytree(lab.folder / "ca", tmp_path / "ca"))
    book = inventories.load(chosen)
    lost = pair(lab)
    revoke(authority.open_ledger(tmp_path / "ca"), lost[1], "keyCompromise", "by-hand")
    # It serves, and this is said.
    needs = overview.look(book, book.host(HOST)).needs
    again = f"runbook apply --host {HOST} --inventory {chosen}"
    for port in (25, 465, 587):
        (need,) = [one for one in needs if one.startswith(f"port {port} has {lost[1]} was revoked on ")]
        assert need.endswith(f"(keyCompromise): {again} puts another in its place")
    wrong = [row for row in verify_host(chosen, HOST) if row.verdict == "fail"]
    assert {row.port for row in wrong} == {25, 465, 587}
    assert all(f"serial {lost[1]}, which was revoked on " in row.seen for row in wrong)
    # A new key, and no way back to the old one.
    made, _ = run(chosen)
    new = pair(lab)
    assert (new[0] != lost[0], new[1] != lost[1]) == (True, True)
    assert not [one for one in overview.look(book, book.host(HOST)).needs if "revoked" in one]
    with pytest.raises(
        ApplyRefused, match=f"undoing run {made} would bring back what shall serve no more"
    ) as refused:
        way_back.put_back(book, book.host(HOST), made, "20261130T000000Z-0000")
    told = str(refused.value)
    for said in (
        f"nopass_mail-server.key: the key is for a key that was compromised ({lost[1]} was revoked for it)",
        f"mail-server.pem: the certificate {lost[1]} was revoked on ",
        f"postfix_mail-server.pem: the certificate {lost[1]} was revoked on ",
        f"sh /var/lib/runbook/{made}/undo.sh",
    ):
        assert said in told
    assert pair(lab) == new
    # By a person's own hand it comes back, and then this is said again.
    lab.exec(HOST, f"sh /var/lib/runbook/{made}/undo.sh")
    assert pair(lab) == lost
    assert [one for one in overview.look(book, book.host(HOST)).needs if "(keyCompromise)" in one]
    # A chapter that is proved wrong puts back what it changed, but for that.
    run(chosen, chapters=("11-key-and-csr", "12-signing"))
    lab.exec(HOST, FORWARD)
    with pytest.raises(VerificationFailed, match="putting it back would bring back what shall serve no more"):
        run(chosen, chapters=("20-postfix-debian",))
    assert pair(lab)[0] not in (lost[0], new[0])


def test_a_host_that_lost_its_right_gets_another_certificate_when_a_person_says_so(
    lab: Lab, tmp_path: Path
) -> None:
    applied(lab, HOST)
    place = shutil.copytree(lab.folder / "ca", tmp_path / "ca")
    lost = pair(lab)
    revoke(authority.open_ledger(place), lost[1], "privilegeWithdrawn", "by-hand")
    for mode in ("plan", ""):
        with pytest.raises(PolicyViolation, match=rf'certificate.granted_again: "{lost[1]}"'):
            run(inventory(lab, tmp_path, ca=place), mode, SIGNING)
    assert pair(lab, joined=False) == lost
    run(inventory(lab, tmp_path, ca=place, granted_again=lost[1]), chapters=SIGNING)
    assert pair(lab, joined=False)[1] != lost[1]
