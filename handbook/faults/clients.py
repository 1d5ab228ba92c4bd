"""The program of a user is set otherwise than the server is, or asks for what nobody may."""

from handbook.fault import Ask, Fault

_SWAKS = "swaks --server MAILHOST --port 587 --tls"
_TAIL = " 2>&1 | tail -n 5"
_OUT = " --from kensa@example.test --to friend@example.org --quit-after RCPT"
_AS_KENSA = f'SWAKS_OPT_auth_password="$PW" {_SWAKS} --auth PLAIN --auth-user kensa --auth-hide-password'

NO_STARTTLS = Fault(
    message="530 5.7.0 Must issue a STARTTLS command first",
    made="",
    asked=(
        Ask(
            "swaks --server MAILHOST --port 587 --from kensa@example.test --to kensa@example.test --quit-after MAIL"
            + _TAIL,
            r"530 5\.7\.0",
            r"250 2\.1\.0",
            f"{_SWAKS} --from kensa@example.test --to kensa@example.test --quit-after MAIL{_TAIL}",
        ),
    ),
    log="",
    cause="the program sends in clear on 587, where the server takes nothing before TLS",
    cure="",
    to_do="set the program to STARTTLS on 587, or to SSL/TLS on 465",
)
NO_LOGIN = Fault(
    message="554 5.7.1 Recipient address rejected: Access denied",
    made="",
    asked=(Ask(_SWAKS + _OUT + _TAIL, r"554 5\.7\.1", r"250 2\.1\.5", _AS_KENSA + _OUT + _TAIL),),
    log="NOQUEUE",
    cause="the program did not log in, and the submission ports take mail from users alone",
    cure="",
    to_do="set the program to log in: 'my outgoing server requires authentication', by whatever name",
)
RELAY_DENIED = Fault(
    message="454 4.7.1 Relay access denied",
    made="",
    asked=(
        Ask(
            _SWAKS.replace("587", "25") + _OUT + _TAIL,
            r"454 4\.7\.1 .*Relay access denied",
            r"250 2\.1\.5",
            _AS_KENSA + _OUT + _TAIL,
        ),
    ),
    log="Relay access denied",
    cause="the program sends to the world through port 25, which takes mail for the server's own users alone",
    cure="",
    to_do="set the program to 465 or 587, and to log in. Never add its network to mynetworks for that",
    elsewhere="554 5.7.1 where the list has reject_unauth_destination in place of defer_unauth_destination",
)
