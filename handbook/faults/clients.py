"""The program of a user is set otherwise than the server is."""

from handbook.fault import Ask, Fault

_SWAKS = "swaks --server MAILHOST --port 587 --tls"
_TAIL = " 2>&1 | tail -n 5"

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
