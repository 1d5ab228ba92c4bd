"""master.cf and main.cf: a service that does not start, or is another than was meant."""

from handbook.fault import Ask, Fault

_GREETED = "swaks --server MAILHOST --port 587 --quit-after CONNECT 2>&1"
_WAITED = _GREETED.replace("swaks", "swaks --timeout 2")
_DEAD = r"Remote host closed connection|Connection refused|Timeout"

BLANK_IN_OPTION = Fault(
    message="fatal: unexpected command-line argument",
    made="sed -i 's/permit_sasl_authenticated,reject/permit_sasl_authenticated, reject/' /etc/postfix/master.cf\n"
    "postfix reload",
    asked=(Ask(_WAITED, _DEAD, "220 ", _GREETED),),
    log="unexpected command-line|throttling",
    cause="in master.cf a blank ends an option: what stands behind the comma is taken for an argument of smtpd",
    cure="sed -i 's/permit_sasl_authenticated, reject/permit_sasl_authenticated,reject/' /etc/postfix/master.cf\n"
    "postfix reload",
    to_do="write lists without blanks, or put the whole option into braces: -o { name = a, b } (Postfix 3.0 and "
    "later)",
)
DUPLICATE = Fault(
    message="duplicate master.cf entry for service",
    made="cp /etc/postfix/master.cf master.cf\n"
    "printf '587 inet n - y - - smtpd\\n' >>/etc/postfix/master.cf\npostfix reload",
    asked=(
        Ask(
            "swaks --server MAILHOST --port 587 --tls --quit-after EHLO | grep AUTH || echo no AUTH",
            "no AUTH",
            "AUTH PLAIN LOGIN",
        ),
    ),
    log="duplicate",
    cause="587 and submission are the same port. The last line counts, and it has none of the options",
    cure="cp master.cf /etc/postfix/master.cf\npostfix reload",
    to_do="keep one line for a port: `postconf -M` lists them",
)
PROGRAM_MISSPELT = Fault(
    message="bad command startup -- throttling",
    made="sed -i '/^submission /s/smtpd/smptd/' /etc/postfix/master.cf\npostfix reload",
    asked=(Ask(_WAITED, _DEAD, "220 ", _GREETED),),
    log="smptd|throttling",
    cause="master starts what the last column says, and there is no such program. It tries again once a minute",
    cure="sed -i '/^submission /s/smptd/smtpd/' /etc/postfix/master.cf\npostfix reload",
    to_do="read the lines above this one in the log: they say why the program ended. Then reload, which tries "
    "at once",
)
NOT_THERE = Fault(
    message="Connection refused",
    made="cp /etc/postfix/master.cf master.cf\npostconf -M# submission/inet\npostfix reload",
    asked=(Ask(_GREETED, "Connection refused", "220 "),),
    log="",
    cause="nobody listens: the service is commented out, as it is in the package's own master.cf",
    cure="cp master.cf /etc/postfix/master.cf\npostfix reload",
    to_do="take the comment away from the line and from its options. `ss -tln` on the host says who listens",
)
OUT_OF_CHROOT = Fault(
    message="454 4.7.0 after the chroot column was changed",
    made="postconf -F submission/inet/chroot=n\npostfix reload",
    asked=(
        Ask(
            'SWAKS_OPT_auth_password="$PW" swaks --server MAILHOST --port 587 --tls --auth PLAIN --auth-user kensa'
            " --auth-hide-password --quit-after AUTH 2>&1 | tail -n 5",
            r"454 4\.7\.0",
            r"235 2\.7\.0",
        ),
    ),
    log="SASL (authentication|PLAIN)",
    cause="outside of the chroot /var/run/saslauthd/mux is another place, and saslauthd's socket is not there",
    cure="postconf -F submission/inet/chroot=y\npostfix reload",
    to_do="let column and socket fit: y, and the socket below /var/spool/postfix; or n, and the socket in /run",
    elsewhere="Enterprise Linux has n. In Postfix 2.x a - in this column means y, from 3.0 on it means n",
)
NO_RELAY_RULE = Fault(
    message="fatal: in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one",
    made="postconf -P submission/inet/smtpd_relay_restrictions=permit_sasl_authenticated\npostfix reload",
    asked=(Ask(_WAITED, _DEAD, "220 ", _GREETED),),
    log="specify at least one",
    cause="nothing in the list refuses a stranger, so Postfix ends rather than be an open relay",
    cure="postconf -P submission/inet/smtpd_relay_restrictions=permit_sasl_authenticated,reject\npostfix reload",
    to_do="end the list with reject, or on port 25 with reject_unauth_destination or defer_unauth_destination",
    elsewhere="smtpd_relay_restrictions came with 2.10; before, smtpd_recipient_restrictions alone is named",
)
MAIN_CF_SYNTAX = Fault(
    message="missing '=' after attribute name",
    made="cp /etc/postfix/main.cf main.cf\necho 'smtpd_tls_loglevel 1' >>/etc/postfix/main.cf\n"
    "postfix reload || :",
    asked=(Ask("postfix check", "missing '='", "nothing found", "postfix check && echo nothing found"),),
    log="missing '='",
    cause="a line of main.cf is no setting",
    cure="cp main.cf /etc/postfix/main.cf\npostfix reload",
    to_do="mend the line; before each reload `postconf -n >/dev/null` says whether main.cf can be read",
    elsewhere="on Debian 12 `systemctl reload postfix` ends with 0 all the same",
)
