"""What is said of SELinux's labels; by made-up answers, since the lab's hosts have no SELinux."""

from pathlib import PurePosixPath

import pytest
from hostile_host import said_by

from runbook_lib.mail import labels
from runbook_lib.mail.probes import Verdict
from runbook_lib.remote.change import Plan, TouchedPath
from runbook_lib.remote.contexts import labelled, plain
from runbook_lib.remote.files import MadeOnHost

PEM = PurePosixPath("/etc/pki/tls/certs/mail-server.pem")
HOME = "has context unconfined_u:object_r:user_home_t:s0, should be system_u:object_r:cert_t:s0"


@pytest.mark.parametrize(
    ("status", "said", "verdict", "seen"),
    [
        (0, f"{PEM} verified.", Verdict.PASS, f"{PEM}: as the policy has it"),
        (1, f"{PEM} {HOME}", Verdict.FAIL, f"{PEM}: {HOME}"),
        (127, "", Verdict.UNTESTED, f"{PEM}: nobody could look (status 127)"),
    ],
)
def test_a_label_from_somebodys_home_is_named_with_the_one_that_is_due(
    status: int, said: str, verdict: Verdict, seen: str
) -> None:
    """A certificate that was copied from a home directory keeps the label of that place."""
    host = said_by(f"{PEM}\0{status}\0{said}\0\0".encode())
    (row,) = labels.rows(host, [PEM])
    assert (row.verdict, row.seen) == (verdict, seen)
    assert row.command == f"matchpathcon -V {PEM}"


def test_a_file_that_is_not_there_is_not_asked_about() -> None:
    assert labels.rows(said_by(f"{PEM}\x000\0\0\0".encode()), [PEM]) == []


def test_each_file_gets_its_label_right_behind_its_change_and_no_mode_is_switched() -> None:
    made = MadeOnHost("a file", (TouchedPath(PEM, "absent"),), "cp a b", "+a")
    plan = labelled(Plan("files", (made,)))
    assert plan.changes[0].commands() == f"cp a b\nrestorecon -i {PEM}"
    assert plain(plan).changes == (made,)
