"""Names: of the server, of its domain, of a recipient, and what a client calls itself."""

from handbook.fault import Ask, Fault

_HERE = "swaks --server MAILHOST --port 25 --from '<>' --to kensa@MAILNAME --quit-after RCPT 2>&1 | tail -n 5"

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
    made="cp /etc/postfix/main.cf main.cf\npostconf -e 'mydestination = localhost'\npostfix reload",
    asked=(Ask(_HERE, "Relay access denied", r"250 2\.1\.5"),),
    log="Relay access denied",
    cause="what stands behind the @ is not in mydestination, so that its mail is somebody else's",
    cure="cp main.cf /etc/postfix/main.cf\npostfix reload",
    to_do="add it to mydestination, or to virtual_mailbox_domains where its users are no accounts; "
    "never to both",
)
UNKNOWN_USER = Fault(
    message="550 5.1.1 Recipient address rejected: User unknown in local recipient table",
    made="",
    asked=(Ask(_HERE.replace("kensa", "kennsa"), r"550 5\.1\.1", r"250 2\.1\.5", _HERE),),
    log="NOQUEUE",
    cause="nobody is called so here. Port 587 takes such a message, and it bounces: only 25 refuses at once",
    cure="",
    to_do="mend the address, or add an alias in /etc/aliases and run newaliases",
)
SHORT_HELO = Fault(
    message="504 5.5.2 Helo command rejected: need fully-qualified hostname",
    made="cp /etc/postfix/main.cf main.cf\n"
    "postconf -e smtpd_helo_required=yes smtpd_helo_restrictions=reject_non_fqdn_helo_hostname\npostfix reload",
    asked=(
        Ask(_HERE.replace("--from", "--helo laptop --from"), r"504 5\.5\.2"),
        Ask(_HERE.replace("--from", "--helo mail.example.org --from"), r"250 2\.1\.5", r"250 2\.1\.5"),
    ),
    log="NOQUEUE",
    cause="the rule is meant for servers, and a mail program gives the short name of its computer",
    cure="cp main.cf /etc/postfix/main.cf\npostfix reload",
    to_do="keep rules about HELO for port 25: give 465 and 587 an empty -o smtpd_helo_restrictions= in master.cf",
)
