"""Names: of the server."""

from handbook.fault import Ask, Fault

UNKNOWN_SERVER = Fault(
    message="Name or service not known",
    made="",
    asked=(
        Ask(
            "openssl s_client -brief -connect mial.example.test:465 -CAfile root.pem",
            "Name or service not known",
            "CONNECTION ESTABLISHED",
            "openssl s_client -brief -connect MAILHOST:465 -CAfile root.pem",
        ),
    ),
    log="",
    cause="the DNS has no such name. The server has heard nothing",
    cure="",
    to_do="compare the name letter by letter; `dig NAME A` and `dig NAME AAAA` say what the DNS has",
)
