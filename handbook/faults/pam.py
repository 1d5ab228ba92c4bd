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
