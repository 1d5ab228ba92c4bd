"""Accounts and PAM: saslauthd was asked, and said no."""

from handbook.fault import Ask, Fault

_SWAKS = (
    "swaks --server MAILHOST --port 587 --tls --auth PLAIN --auth-user kensa --auth-hide-password --quit-after AUTH"
    " 2>&1 | tail -n 5"
)
_LOGIN = f'SWAKS_OPT_auth_password="$PW" {_SWAKS}'
_WRONG = f"SWAKS_OPT_auth_password=wrong {_SWAKS}"
_REFUSED, _ACCEPTED = r"535 5\.7\.8", r"235 2\.7\.0"

WRONG_PASSWORD = Fault(
    message="535 5.7.8 Error: authentication failed",
    made="",
    asked=(Ask(_WRONG, _REFUSED, _ACCEPTED, _LOGIN),),
    log="auth failure|authentication failure|SASL PLAIN",
    cause="the password is wrong",
    cure="",
    to_do="have the user type it anew. The client hears the same of a wrong name: only the log has which it "
    "was",
)
LOCKED = Fault(
    message="reason=PAM auth error",
    made="usermod -L kensa",
    asked=(Ask(_LOGIN, _REFUSED, _ACCEPTED),),
    log="auth failure|authentication failure|SASL PLAIN",
    cause="the account is locked: its password counts no more, though it is right",
    cure="usermod -U kensa",
    to_do="`passwd -S kensa` has an L where an account is locked. Unlock it, if it was not locked for a "
    "reason",
)
GUESSED = Fault(
    message="Consecutive login failures for user kensa account temporarily locked",
    made="cp -p /etc/pam.d/common-auth common-auth\n"
    "sed -i -e 's/success=1/success=2/' -e '/pam_unix/i auth required pam_faillock.so preauth' \\\n"
    "    -e '/pam_unix/a auth [default=die] pam_faillock.so authfail' /etc/pam.d/common-auth",
    asked=(
        Ask(f"for try in 1 2 3; do {_WRONG.replace('tail -n 5', 'grep 535')}; done", _REFUSED),
        Ask(_LOGIN, _REFUSED, _ACCEPTED),
    ),
    log="pam_faillock|SASL PLAIN",
    cause="somebody guessed, or a telephone has an old password. pam_faillock counts for the account, whoever asks: "
    "it is locked for the right password as well, and for SSH and all else that goes by common-auth",
    cure="mv common-auth /etc/pam.d/common-auth\nfaillock --user kensa --reset",
    to_do="`faillock --user kensa --reset` ends the lock. Postfix's line has the address, which PAM is not told: "
    "limit that (fail2ban, smtpd_client_auth_rate_limit), and leave pam_faillock out of PAM's service smtp",
    elsewhere="Enterprise Linux has it in password-auth, where authselect was told with-faillock",
)
