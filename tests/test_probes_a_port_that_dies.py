"""A port that takes a connection, and behind which smtpd dies, is a fail, with smtpd's words from the log."""

import subprocess
import time
from importlib.resources import files

import probes_postfix
import pytest

from lab import Lab
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Verdict


def test_smtpd_that_dies_is_a_fail_and_not_a_port_that_could_not_be_tested(lab: Lab) -> None:
    host = probes_postfix.host(lab)
    with host.main_cf("tls_medium_cipherlist="):
        rows = probes.ports_reached(host.survey(account=None))
    assert {row.port for row in rows} == {25, 465, 587}
    assert {row.verdict for row in rows} == {Verdict.FAIL}
    assert all(
        "smtpd dies: fatal: bad string length 0 < 1: tls_medium_cipherlist" in row.seen for row in rows
    )


def test_a_death_of_before_is_not_the_cause_of_what_is_seen_now(lab: Lab) -> None:
    """A port without a certificate ends the conversation, too; the log of the last minute knows another death."""
    host = probes_postfix.host(lab)
    with host.main_cf("tls_medium_cipherlist="):
        assert all(row.verdict is Verdict.FAIL for row in probes.ports_reached(host.survey(account=None)))
    with host.broken("rm /etc/postfix/probes.pem; systemctl restart postfix"):
        survey = host.survey(account=None)
        rows = probes.ports_reached(survey)
        assert {row.verdict for row in probes.chain_validates(survey)} == {Verdict.FAIL}
    assert {(row.verdict, row.seen) for row in rows} == {(Verdict.PASS, "reached")}


@pytest.mark.parametrize("form", ["%b %e %H:%M:%S", "%Y-%m-%dT%H:%M:%S.123456+00:00"])
def test_a_log_file_is_read_as_far_back_as_was_asked(form: str) -> None:
    ages = {"now": 5, "then": 90, "before": 86400, "long ago": 86400 * 40}
    lines = [
        f"{time.strftime(form, time.localtime(time.time() - age))} mail postfix/smtpd[1]: fatal: {word}\n"
        for word, age in reversed(ages.items())
    ]
    functions = files("runbook_lib.mail.probes").joinpath("host_view.sh").read_text(encoding="utf-8")
    for within_s, words in ((30, ["now"]), (120, ["then", "now"]), (86500, ["before", "then", "now"])):
        read = subprocess.run(
            ["sh", "-c", f"{functions}\nsince {within_s}"],
            input="".join(lines).encode(), capture_output=True, check=True, timeout=20,
        )  # fmt: skip
        assert [line.rpartition(" ")[2] for line in read.stdout.decode().splitlines()] == words
        assert not read.stderr
