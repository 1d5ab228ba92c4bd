"""535 is a server's word for everything: what the host knows beside 'wrong' is said, and no check locks an account."""

import unicodedata
from dataclasses import replace

import probes_postfix
import pytest
from probes_postfix import MailHost, Password

from lab import Lab
from runbook_lib.chapters.verification import ON_REQUEST
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Account, Row, Verdict
from runbook_lib.mail.probes.host_view import reason_in

HAS_EXPIRED = "pam_unix(smtp:account): account kensa has expired (account expired)"
AGED = "pam_unix(smtp:account): expired password for user kensa (password aged)"
MUX = "/var/spool/postfix/var/run/saslauthd/mux"
UNCOUNTED = "cp /root/pam /etc/pam.d/smtp; faillock --user kensa --reset"


def counting(deny: int) -> str:
    """Shell lines that let pam_faillock(8) count wrong logins in PAM's service smtp, and lock after so many."""
    return (
        "cp /etc/pam.d/smtp /root/pam; "
        f"sed -i -e '1i auth required pam_faillock.so preauth silent deny={deny}' -e '/^@include common-auth/c "
        f"auth [success=1 default=bad] pam_unix.so\\nauth [default=die] pam_faillock.so authfail deny={deny}\\n"
        "auth required pam_permit.so' /etc/pam.d/smtp"
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (HAS_EXPIRED, "the account has expired"),
        (AGED, "its password has to be changed first"),
        ("pam_faillock(smtp:auth): Consecutive login failures for user kensa account temporarily locked",
         "the account is locked after wrong logins"),
        ("pam_tally2(smtp:auth): user kensa (1003) tally 4, deny 3", "the account is locked after wrong logins"),
        ('pam_succeed_if(smtp:auth): requirement "uid >= 2000" not met by user "kensa"',
         "a rule of PAM keeps it out"),
        ("do_auth         : auth failure: [user=kensa] [service=smtp] [realm=] [mech=pam] [reason=PAM acct error]",
         "PAM refuses the account, and not its password"),
        ("do_auth         : auth failure: [user=kensa] [service=smtp] [realm=] [mech=pam] [reason=PAM auth error]", ""),
        (HAS_EXPIRED.replace("kensa", "kensa2"), ""),
    ],
)  # fmt: skip
def test_what_the_log_knows_is_read(line: str, words: str) -> None:
    assert reason_in([line], "kensa") == words


def test_what_the_log_knew_of_an_earlier_login_is_over() -> None:
    ended = "do_auth         : auth failure: [user=kensa] [service=smtp] [realm=] [mech=pam] [reason=PAM {} error]"
    lines = [HAS_EXPIRED, ended.format("acct"), ended.format("auth")]
    assert reason_in(lines, "kensa") == ""
    assert reason_in(lines[:2], "kensa") == "the account has expired"


@pytest.fixture
def host(lab: Lab) -> MailHost:
    return probes_postfix.host(lab)


def rows_of(host: MailHost, **account: object) -> tuple[Row, list[Row]]:
    """The row of the wrong password, and those of the right one, on 587."""
    assert host.target.account is not None
    survey = host.survey(account=replace(host.target.account, **account), ports=(587,))  # type: ignore[arg-type]
    (wrong,) = probes.wrong_password_refused(survey)
    return wrong, probes.right_password_accepted(survey)


def test_an_account_that_is_out_is_not_called_a_wrong_password(host: MailHost) -> None:
    for command, words in (
        ("chage -E 0 kensa", "the account has expired"),
        ("chage -E -1 -d 0 kensa", "its password has to be changed first"),
    ):
        with host.broken(command, "chage -E -1 -d 2026-01-01 kensa"):
            _, (right, *_) = rows_of(host)
        assert (right.verdict, right.seen) == (
            Verdict.UNTESTED,
            f"PLAIN: refused (535), and not as wrong: {words}, as the host's log says; "
            "mend the account, then ask again",
        )


def test_an_account_that_is_locked_is_not_called_a_wrong_password(host: MailHost) -> None:
    """Of the right one the log says 'auth error' alone: the lock's own line came with the wrong login before."""
    with host.broken(counting(deny=1), UNCOUNTED):
        host.sh(f"testsaslauthd -u kensa -p wrong -s smtp -f {MUX} || :")
        wrong, (right, *_) = rows_of(host)
    assert wrong.verdict is Verdict.UNTESTED
    assert (right.verdict, right.seen) == (
        Verdict.UNTESTED,
        "PLAIN: refused (535), whatever the password: 1 of 1 wrong logins counted before (pam_faillock), which lock "
        "kensa: unlock it, then ask again",
    )


def test_a_password_outside_ascii_is_told_by_form_and_charset(host: MailHost) -> None:
    """Never itself: that it went as UTF-8, composed or not; and that the host has it in an old encoding."""
    secret = "Zürich-prüft-§"
    for stored, given in ((secret, unicodedata.normalize("NFD", secret)), (secret.encode("cp1252"), secret)):
        octets = stored.encode() if isinstance(stored, str) else stored
        # Past PAM, as tools of other systems set it.
        encoded = "".join(f"\\{byte:03o}" for byte in octets)
        host.sh(f"id moji >/dev/null 2>&1 || useradd -M moji; printf 'moji:{encoded}\\n' | chpasswd")
        wrong, (right, *_) = rows_of(host, user="moji", password=Password(given))
        assert right.verdict is Verdict.FAIL
        assert "rich" not in wrong.seen + right.seen
        if isinstance(stored, str):
            assert "(535); its letters outside ASCII went as UTF-8, decomposed (not NFC)" in right.seen
        else:
            assert right.seen == (
                "PLAIN: refused (535): the host has it in an old encoding, and accepts it so: "
                "set it anew on the host, in UTF-8"
            )
            assert wrong.verdict is Verdict.UNTESTED
            assert "accepted (235): the host has the password in that encoding" in wrong.seen


def test_no_wrong_password_is_sent_where_one_more_locks_the_account(host: MailHost) -> None:
    """The counter is shown; PAM's account phase that would set it back is left out, as many guides leave it out."""
    with host.broken(counting(deny=3), UNCOUNTED):
        seen = [rows_of(host) for _ in range(3)]
        counted = host.sh("faillock --user kensa | grep -c ' V$' || :").strip()
    words = [wrong.seen for wrong, _ in seen]
    assert words[:2] == [
        f"a made-up password: refused (535); {number} of 3 wrong logins counted before (pam_faillock)"
        for number in (0, 1)
    ]
    assert words[2] == (
        "not asked: 2 of 3 wrong logins counted before (pam_faillock), and the next one locks kensa"
    )
    assert seen[2][0].verdict is Verdict.UNTESTED
    assert counted == "2"
    assert {row.verdict for _, right in seen for row in right} == {Verdict.PASS}


def test_what_a_login_opens_is_said(host: MailHost) -> None:
    """Any sender, and the passwords of those who may become root; narrowed, it is said too."""
    with host.broken("gpasswd -a kanri sudo >/dev/null", "gpasswd -d kanri sudo >/dev/null"):
        sender, administrators = probes.login_is_narrow(host.survey(ports=(587,)))
    assert sender.warns
    assert "(postmaster@example.test was taken): reject_sender_login_mismatch" in sender.seen
    assert administrators.seen.startswith("warning: kanri may use sudo and can log in here: 465 and 587 test")
    owners = "smtpd_sender_login_maps=inline:{postmaster@example.test=hanako}"
    with host.main_cf(owners, "smtpd_sender_restrictions=reject_sender_login_mismatch"):
        (sender, _) = probes.login_is_narrow(host.survey(ports=(587,)))
    assert sender.seen.startswith("another sender is refused (553 5.7.1")


def test_on_request_alone(host: MailHost) -> None:
    wrong, _ = rows_of(host, unasked=ON_REQUEST)
    assert wrong.verdict is Verdict.UNASKED
    assert wrong.seen.endswith("on request alone (--wrong-password)")
    assert isinstance(host.target.account, Account)
