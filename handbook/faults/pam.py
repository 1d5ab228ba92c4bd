"""Accounts and PAM: saslauthd was asked, and said no, or yes to everybody."""

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
    to_do="have the user type it anew. The client hears the same of a wrong name: only the log has which it was",
)
LOCKED = Fault(
    message="reason=PAM auth error",
    made="usermod -L kensa",
    asked=(Ask(_LOGIN, _REFUSED, _ACCEPTED),),
    log="auth failure|authentication failure",
    cause="the account is locked: its password counts no more, though it is right",
    cure="usermod -U kensa",
    to_do="`passwd -S kensa` has an L where an account is locked. Unlock it, if it was not locked for a reason",
)
ENDED = Fault(
    message="reason=PAM acct error",
    made="chage -E 2020-01-01 kensa",
    asked=(Ask(_LOGIN, _REFUSED, _ACCEPTED),),
    log="acct error|expired",
    cause="the password is right, and the account has ended",
    cure="chage -E -1 kensa",
    to_do="`chage -l kensa` has the date; set another, or -1 for none",
)
MODULE_MISSPELT = Fault(
    message="PAM unable to dlopen",
    made="sed -i 's/pam_succeed_if/pam_suceed_if/' /etc/pam.d/smtp",
    asked=(Ask(_LOGIN, _REFUSED, _ACCEPTED),),
    log="PAM|auth failure",
    cause="PAM's file names a module that is not there, and what is required and not there is a no",
    cure="sed -i 's/pam_suceed_if/pam_succeed_if/' /etc/pam.d/smtp",
    to_do="mend the name, or install the module. PAM reads the file at each login: nothing is restarted",
)
PERMITS_ALL = Fault(
    message="235 2.7.0 for a wrong password",
    made="cp /etc/pam.d/smtp pam\nsed -i '1i auth sufficient pam_permit.so' /etc/pam.d/smtp",
    asked=(Ask(_WRONG, _ACCEPTED, _REFUSED),),
    log="",
    cause="PAM's service smtp lets everybody in; the server relays for whoever makes up a name",
    cure="cp pam /etc/pam.d/smtp",
    to_do="take pam_permit out; then look through the queue and the log for what was sent meanwhile",
)
