"""One wrong password of the account for checks is sent where the run changed what logins rest on, and not otherwise."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from applied_host import run_cells
from sample_record import RUN, change

from lab import Lab
from runbook_lib.chapters import asking
from runbook_lib.chapters.chapter import measured, worst
from runbook_lib.mail import probes
from runbook_lib.records import Record, model
from runbook_lib.records.origin import run_id

HOST = "debian12"
SERVICE = "submission inet n - y - - smtpd -o smtpd_sasl_auth_enable={} -o smtpd_tls_chain_files={}"


def wrong_password(folder: Path, *chapters: str, mode: str = "") -> tuple[model.Row, str]:
    """The row of the wrong password, and the outcome, of a run of these chapters and the verification."""
    run = run_id(datetime.now(UTC))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_RUN", run)
        patch.setenv("RUNBOOK_RECORDS", str(folder))
        for chapter in (*chapters, "90-verification"):
            run_cells(chapter, host=HOST, mode=mode)
    data = model.read(folder / run / HOST / "90-verification.json")
    ((row,),) = [step.rows for step in data.verifications if step.claim == probes.WRONG_PASSWORD_REFUSED]
    return row, data.outcome


def refused(lab: Lab) -> int:
    """How many logins of the account the password check has refused."""
    return int(lab.exec(HOST, "journalctl -q | grep 'auth failure' | grep -c 'user=kensa' || :"))


def test_it_is_sent_where_the_run_changed_logins_and_not_where_it_changed_something_else(
    lab: Lab, tmp_path: Path
) -> None:
    lab.reset(HOST, "applied")
    before = refused(lab)
    row, outcome = wrong_password(tmp_path, "20-postfix-debian")
    assert (row.verdict, row.seen) == ("not asked", "nothing that logins rest on was changed by this run")
    assert (outcome, refused(lab)) == ("passed", before)
    # Something of main.cf that is no login's.
    lab.exec(HOST, "postconf -X smtpd_tls_loglevel")
    row, outcome = wrong_password(tmp_path, "20-postfix-debian")
    assert (row.verdict, outcome, refused(lab)) == ("not asked", "passed", before)
    # What says who checks a password.
    lab.exec(HOST, "rm /etc/postfix/sasl/smtpd.conf")
    row, outcome = wrong_password(tmp_path, "20-postfix-debian")
    assert (row.verdict, outcome, refused(lab)) == ("pass", "passed", before + 1)
    # The verification alone.
    row, _ = wrong_password(tmp_path)
    assert (row.verdict, refused(lab)) == ("pass", before + 2)


@pytest.mark.parametrize(
    ("title", "diff", "touches"),
    [
        ("Packages", "+sasl2-bin", True),
        ("SMTP AUTH", "+anything", True),
        ("Key and chain in one file", "-sha256:1\n+sha256:2", False),
        ("main.cf", "--- a\n+++ b\n-smtpd_tls_loglevel = 0\n+smtpd_tls_loglevel = 1", False),
        ("main.cf", "+smtpd_tls_auth_only = yes", True),
        ("main.cf", "-smtpd_sasl_path = private/auth\n+smtpd_sasl_path = smtpd", True),
        ("master.cf", f"-{SERVICE.format('yes', 'a')}\n+{SERVICE.format('yes', 'b')}", False),
        ("master.cf", f"-{SERVICE.format('no', 'a')}\n+{SERVICE.format('yes', 'a')}", True),
        ("Taking it up", "-read before\n+read now", False),
    ],
)
@pytest.mark.parametrize("mode", ["apply", "plan"])
def test_what_logins_rest_on(
    tmp_path: Path, title: str, diff: str, touches: bool, mode: Literal["plan", "apply"]
) -> None:
    record = Record.begin(
        tmp_path, RUN, HOST, "20-postfix-debian", title="2", mode=mode, reason="a test", operator="tester",
        lab=False, facts={}, inventory_sha256="0" * 64,
    )  # fmt: skip
    record.add_plan(title, "0" * 64, [change(title, "file", diff)])
    assert asking.touches_logins(record.data) == (touches and mode == "apply")


def test_a_row_that_was_left_out_is_no_pass_and_leaves_nothing_unproven() -> None:

    row = probes.Row("claim", 587, "192.0.2.1", "-", probes.Verdict.UNASKED, "left out", "")
    assert worst([row]) is probes.Verdict.UNASKED
    assert measured([row]) == "1 not asked"
