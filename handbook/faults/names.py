"""Names: of the server, and of what it takes mail for."""

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
DOMAIN_IS_NOBODYS = Fault(
    message="454 4.7.1 Relay access denied, for a user of the server itself",
    made="postconf -e 'mydestination = localhost'\npostfix reload",
    asked=(
        Ask(
            "swaks --server MAILHOST --port 25 --from '<>' --to kensa@MAILNAME --quit-after RCPT 2>&1"
            " | tail -n 5",
            r"454 4\.7\.1 .*Relay access denied",
            r"250 2\.1\.5",
        ),
    ),
    log="Relay access denied",
    cause="what stands behind the @ is not in mydestination, so that its mail is somebody else's",
    cure="postconf -e 'mydestination = $myhostname, MAILNAME, localhost.example.test, , localhost'\npostfix reload",
    to_do="add it to mydestination, or to virtual_mailbox_domains where its users are no accounts; "
    "never to both",
)
