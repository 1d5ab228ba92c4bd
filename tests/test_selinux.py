"""What is said of SELinux's labels and refusals; by made-up answers, since the lab's hosts have no SELinux."""

from pathlib import PurePosixPath

import pytest
from hostile_host import said_by
from remote_hosts import connected

from lab import Lab, Prepared
from runbook_lib.mail import selinux
from runbook_lib.mail.probes import Row, Verdict
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
    host = said_by(f"{PEM}\0{status}\0{said}\0".encode())
    (row,) = selinux.label_rows(host, [PEM])
    assert (row.verdict, row.seen) == (verdict, seen)
    assert row.command == f"matchpathcon -V {PEM}"


def test_a_file_that_is_not_there_is_not_asked_about() -> None:
    assert selinux.label_rows(said_by(f"{PEM}\x000\0\0".encode()), [PEM]) == []


def test_each_file_gets_its_label_right_behind_its_change_and_no_mode_is_switched() -> None:
    made = MadeOnHost("a file", (TouchedPath(PEM, "absent"),), "cp a b", "+a")
    plan = labelled(Plan("files", (made,)))
    assert plan.changes[0].commands() == f"cp a b\nrestorecon -i {PEM}"
    assert plain(plan).changes == (made,)


SMTPD = (
    'type=AVC msg=audit(1796030405.123:101): avc:  denied  { read open } for  pid=123 comm="smtpd"'
    ' name="mail server.pem" dev="dm-0" ino=123 scontext=system_u:system_r:postfix_smtpd_t:s0'
    " tcontext=unconfined_u:object_r:user_home_t:s0 tclass=file permissive=0"
)
ITS_SYSCALL = (
    "type=SYSCALL msg=audit(1796030405.123:101): arch=c000003e syscall=257 success=no exit=-13 items=1"
)
SAME_BY_THE_KERNEL = SMTPD.replace("type=AVC msg=", "audit: type=1400 ")
AGAIN = SMTPD.replace(":101)", ":102)")
PERMISSIVE = (
    'type=AVC msg=audit(1796030415.000:103): avc:  denied  { connectto } for  pid=124 comm="smtpd"'
    ' path="/run/saslauthd/mux" scontext=system_u:system_r:postfix_smtpd_t:s0'
    " tcontext=system_u:system_r:unconfined_service_t:s0 tclass=unix_stream_socket permissive=1"
)
A_PORT = (
    'type=AVC msg=audit(1796030425.000:104): avc:  denied  { name_bind } for  pid=125 comm="master" src=2525'
    " scontext=system_u:system_r:postfix_master_t:s0 tcontext=system_u:object_r:unreserved_port_t:s0"
    " tclass=tcp_socket permissive=0"
)
IN_HEX = (
    "type=AVC msg=audit(1796030445.000:105): avc:  denied  { read } for  pid=126 comm=736D747064"
    " name=6D61696C0A2E70656D scontext=system_u:system_r:saslauthd_t:s0"
    " tcontext=system_u:object_r:shadow_t:s0 tclass=file permissive=0"
)
OF_OTHERS = SMTPD.replace("postfix_smtpd_t", "httpd_t").replace(":101)", ":106)")


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (
            SMTPD,
            "smtpd was refused: read, open of file mail server.pem, of type user_home_t; "
            "`restorecon -nv FILE` shows the label that the policy gives the place",
        ),
        (
            PERMISSIVE,
            "smtpd will be refused where SELinux enforces: connectto of unix_stream_socket /run/saslauthd/mux, "
            "of type unconfined_service_t; `restorecon -nv FILE` shows the label that the policy gives the place",
        ),
        (
            A_PORT,
            "master was refused: name_bind of tcp_socket 2525, of type unreserved_port_t; "
            "`semanage port -l` shows which ports it may use",
        ),
        (
            IN_HEX,
            "smtpd was refused: read of file mail\\x0a.pem, of type shadow_t; "
            "`restorecon -nv FILE` shows the label that the policy gives the place",
        ),
    ],
    ids=["a file", "permissive", "a port", "names in hex"],
)
def test_a_refusal_is_told_with_what_to_look_at(log: str, told: str) -> None:
    assert [one.told for one in selinux.denials(log)] == [told]


def test_an_event_counts_once_though_two_logs_have_it_and_others_programs_do_not() -> None:
    assert selinux.denials("\n".join((SMTPD, ITS_SYSCALL, OF_OTHERS)), SAME_BY_THE_KERNEL) == selinux.denials(
        SMTPD
    )
    assert len(selinux.denials(SMTPD, AGAIN)) == 2


def denial_rows(audit: str = "", kernel: str = "", *, has_audit: int = 0, has_kernel: int = 0) -> list[Row]:
    answers = {
        "has_audit": (has_audit, ""),
        "audit": (0, audit),
        "has_kernel": (has_kernel, ""),
        "kernel": (0, kernel),
    }
    said = "".join(f"{name}\0{status}\0{text}\0" for name, (status, text) in answers.items())
    return selinux.denial_rows(said_by(said.encode()), 1796030400)


def test_what_was_refused_fails_and_what_a_permissive_host_noted_is_a_warning() -> None:
    first, second = denial_rows("\n".join((SMTPD, AGAIN, PERMISSIVE)))
    assert first.verdict is Verdict.FAIL
    assert first.seen.endswith("(2 times)")
    assert (second.verdict, second.told) == (Verdict.PASS, "warning")


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ({"audit": "<no matches>"}, Verdict.PASS),
        ({"audit": OF_OTHERS}, Verdict.PASS),
        ({"audit": "<no matches>", "kernel": SMTPD}, Verdict.FAIL),
        ({"audit": "<no matches>", "has_kernel": 1}, Verdict.UNTESTED),
        ({"audit": "Error opening config file (Permission denied)"}, Verdict.UNTESTED),
        ({"audit": ""}, Verdict.UNTESTED),
        ({"has_audit": 127, "audit": "sh: ausearch: not found"}, Verdict.PASS),
        ({"has_audit": 127, "kernel": SMTPD}, Verdict.FAIL),
        ({"has_audit": 127, "has_kernel": 1}, Verdict.UNTESTED),
    ],
)
def test_a_log_that_nobody_could_read_is_no_pass(answers: dict[str, str], verdict: Verdict) -> None:
    (row,) = denial_rows(**answers)  # type: ignore[arg-type]
    assert row.verdict is verdict, row


def test_a_claim_that_failed_says_what_selinux_refused_meanwhile() -> None:
    failed = Row("a claim", 465, "", "-", Verdict.FAIL, "closed after TLS began", "openssl")
    passed = Row("a claim", 25, "", "-", Verdict.PASS, "as it should be", "openssl")
    said = f"has_audit\x000\0\0audit\x000\0{SMTPD}\0has_kernel\x000\0\0kernel\x001\0\0".encode()
    told = selinux.explained([failed, passed], said_by(said), 1796030400)
    assert told[0].seen.startswith(
        "closed after TLS began; SELinux, meanwhile: smtpd was refused: read, open"
    )
    assert told[1] == passed


WITH_AUSEARCH = Prepared(
    "with-ausearch",
    "bare",
    script="apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq -y install auditd >/dev/null 2>&1",
)


def test_the_real_ausearch_tells_what_came_since_and_nothing_older(lab: Lab) -> None:
    """It takes a date as the locale writes one, and no other."""
    lab.reset("debian12", WITH_AUSEARCH)
    now = int(lab.exec("debian12", "date +%s"))
    older = SMTPD.replace("1796030405", str(now - 7200)).replace("mail server.pem", "older.pem")
    newer = AGAIN.replace("1796030405", str(now - 5)).replace("mail server.pem", "newer.pem")
    lab.exec(
        "debian12", f"mkdir -p /var/log/audit; cat >/var/log/audit/audit.log <<'END'\n{older}\n{newer}\nEND"
    )
    with connected(lab, "debian12") as host:
        (row,) = selinux.denial_rows(host, now - 3600)
        assert (row.verdict, "file newer.pem" in row.seen) == (Verdict.FAIL, True), row
        assert "newer.pem" in lab.exec("debian12", row.command).decode()
        (row,) = selinux.denial_rows(host, now)
        assert row.verdict is Verdict.PASS, row
        lab.exec("debian12", "rm -r /var/log/audit")
        (row,) = selinux.denial_rows(host, now)
        assert row.verdict is Verdict.UNTESTED, row
