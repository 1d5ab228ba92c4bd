"""The program of a user is set otherwise than the server is, or asks for what nobody may."""

from handbook.fault import Ask, Fault

_SWAKS = "swaks --server MAILHOST --port 587 --tls"
_TAIL = " 2>&1 | tail -n 5"
_AS_KENSA = " --auth PLAIN --auth-user kensa --auth-hide-password"
_OUT = " --from kensa@example.test --to friend@example.org --quit-after RCPT"

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
LOGIN_ON_25 = Fault(
    message="Host did not advertise authentication, on port 25",
    made="",
    asked=(
        Ask(
            f'SWAKS_OPT_auth_password="$PW" {_SWAKS.replace("587", "25")}{_AS_KENSA} --quit-after AUTH{_TAIL}',
            "did not advertise",
            r"235 2\.7\.0",
            f'SWAKS_OPT_auth_password="$PW" {_SWAKS}{_AS_KENSA} --quit-after AUTH{_TAIL}',
        ),
    ),
    log="",
    cause="the program logs in on port 25, which is for servers and takes no login (RFC 8314)",
    cure="",
    to_do="set the program to 465 or 587",
    elsewhere="a program that sends AUTH all the same gets 503 5.5.1 Error: authentication not enabled",
)
NO_LOGIN = Fault(
    message="554 5.7.1 Recipient address rejected: Access denied",
    made="",
    asked=(
        Ask(
            _SWAKS + _OUT + _TAIL,
            r"554 5\.7\.1",
            r"250 2\.1\.5",
            f'SWAKS_OPT_auth_password="$PW" {_SWAKS}{_AS_KENSA}{_OUT}{_TAIL}',
        ),
    ),
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
            "Relay access denied",
            r"250 2\.1\.5",
            f'SWAKS_OPT_auth_password="$PW" {_SWAKS}{_AS_KENSA}{_OUT}{_TAIL}',
        ),
    ),
    log="Relay access denied",
    cause="the program sends to the world through port 25, which takes mail for the server's own users alone",
    cure="",
    to_do="set the program to 465 or 587, and to log in. Never add its network to mynetworks for that",
    elsewhere="554 5.7.1 where the list has reject_unauth_destination in place of defer_unauth_destination",
)
NOT_THE_OWNER = Fault(
    message="553 5.7.1 Sender address rejected: not owned by user",
    made="cp /etc/postfix/main.cf main.cf\n"
    "postconf -e 'smtpd_sender_login_maps = inline:{kensa@example.test=kensa, boss@example.test=boss}' \\\n"
    "    smtpd_sender_restrictions=reject_sender_login_mismatch\npostfix reload",
    asked=(
        Ask(
            f'SWAKS_OPT_auth_password="$PW" {_SWAKS}{_AS_KENSA}{_OUT.replace("kensa@", "boss@")}{_TAIL}',
            r"553 5\.7\.1",
            r"250 2\.1\.5",
            f'SWAKS_OPT_auth_password="$PW" {_SWAKS}{_AS_KENSA}{_OUT}{_TAIL}',
        ),
    ),
    log="NOQUEUE",
    cause="the user logged in as kensa and sends as somebody whose address belongs to another login",
    cure="cp main.cf /etc/postfix/main.cf\npostfix reload",
    to_do="set the sender in the program; where several people send as one address, list their logins in "
    "smtpd_sender_login_maps",
)
TOO_MANY_LOGINS = Fault(
    message="450 4.7.1 Error: too many AUTH commands",
    made="cp /etc/postfix/main.cf main.cf\npostconf -e smtpd_client_auth_rate_limit=1\npostfix reload",
    asked=(
        Ask(f'SWAKS_OPT_auth_password="$PW" {_SWAKS}{_AS_KENSA} --quit-after AUTH{_TAIL}', r"235 2\.7\.0"),
        Ask(
            f'SWAKS_OPT_auth_password="$PW" {_SWAKS}{_AS_KENSA} --quit-after AUTH{_TAIL}',
            r"450 4\.7\.1",
            r"235 2\.7\.0",
        ),
    ),
    log="too many AUTH|rate limit",
    cause="more logins from one address in a minute than smtpd_client_auth_rate_limit lets by; an office behind "
    "one "
    "address meets it first",
    cure="cp main.cf /etc/postfix/main.cf\npostfix reload",
    to_do="raise the limit, or name the address in smtpd_client_event_limit_exceptions",
    elsewhere="the setting came after 2.10",
)
