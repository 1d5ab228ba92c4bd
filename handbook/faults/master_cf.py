"""master.cf and main.cf: a service that does not start, or is another than was meant."""

from handbook.fault import Ask, Fault

_MASTER_CF = "/etc/postfix/master.cf"
_GREETED = "swaks --server MAILHOST --port 587 --quit-after CONNECT"
_WAITED = _GREETED.replace("swaks", "swaks --timeout 2")
_RESTART = "systemctl restart postfix"
_DEAD = (Ask(_WAITED, "closed connection|Connection refused|Timeout", "^<-  220 ", _GREETED),)

BLANK_IN_OPTION = Fault(
    message="fatal: unexpected command-line argument",
    made="sed -i '/^submission /a\\    -o smtpd_client_restrictions=permit_mynetworks, reject_unknown_client_hostname' "
    f"{_MASTER_CF}\npostfix reload",
    asked=_DEAD,
    log="unexpected command-line|throttling",
    cause="in master.cf a blank ends an option: what stands behind the comma is taken for an argument of smtpd",
    cure=f"sed -i '/-o smtpd_client_restrictions=/d' {_MASTER_CF}\n{_RESTART}",
    to_do="write lists without blanks, or put the whole option into braces: -o { name = a, b } (Postfix 3.0 and "
    "later). Restart: after a reload the service stays throttled for up to a minute",
)
DUPLICATE = Fault(
    message="duplicate master.cf entry for service",
    made=f"printf '587 inet n - y - - smtpd\\n' >>{_MASTER_CF}\npostfix reload",
    asked=(
        Ask(
            "swaks --server MAILHOST --port 587 --tls --quit-after EHLO | grep AUTH || echo no AUTH",
            "no AUTH",
            "AUTH PLAIN LOGIN",
        ),
    ),
    log="duplicate",
    cause="587 and submission are the same port. The last line counts, and it has none of the options",
    cure=f"sed -i '/^587 /d' {_MASTER_CF}\npostfix reload",
    to_do="keep one line for a port: `postconf -M` lists them",
)
PROGRAM_MISSPELT = Fault(
    message="bad command startup -- throttling",
    made=f"sed -i '/^submission /s/smtpd/smptd/' {_MASTER_CF}\npostfix reload",
    asked=_DEAD,
    log="smptd|throttling",
    cause="master starts what the last column says, and there is no such program. It tries again after a minute",
    cure=f"sed -i '/^submission /s/smptd/smtpd/' {_MASTER_CF}\n{_RESTART}",
    to_do="read the lines above this one in the log: they say why the program ended. Then restart: a reload "
    "takes the mended line, and leaves the minute to be waited for",
)
NOT_THERE = Fault(
    message="Connection refused",
    made="postconf -MX submission/inet\npostfix reload",
    asked=(Ask(_GREETED, "Connection refused", "^<-  220 "),),
    log="",
    cause="nobody listens: master.cf has no such service, or it is commented out, as the package leaves it",
    cure='postconf -M "submission/inet=submission inet n - y - - smtpd -o syslog_name=postfix/submission \\\n'
    "    -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes -o smtpd_tls_auth_only=yes \\\n"
    "    -o smtpd_relay_restrictions=permit_sasl_authenticated,reject -o smtpd_reject_unlisted_recipient=no \\\n"
    '    -o milter_macro_daemon_name=ORIGINATING"\npostfix reload',
    to_do="add it, or take the comment away from its line and from its options. `ss -tln` on the host says who "
    "listens",
    elsewhere="on Enterprise Linux the column of the chroot is n, and inet_interfaces = localhost says the same "
    "to clients from outside until it is changed",
)
OUT_OF_CHROOT = Fault(
    message="454 4.7.0 after the chroot column was changed",
    made="postconf -F submission/inet/chroot=n\npostfix reload",
    asked=(
        Ask(
            'SWAKS_OPT_auth_password="$PW" swaks --server MAILHOST --port 587 --tls --auth PLAIN'
            " --auth-user kensa --auth-hide-password --quit-after AUTH 2>&1 | tail -n 5",
            r"454 4\.7\.0",
            r"235 2\.7\.0",
        ),
    ),
    log="SASL authentication|SASL PLAIN",
    cause="outside of the chroot /var/run/saslauthd/mux is another place, and saslauthd's socket is not there",
    cure="postconf -F submission/inet/chroot=y\npostfix reload",
    to_do="let column and socket fit: y, and the socket below /var/spool/postfix; or n, and the socket in /run",
    elsewhere="Enterprise Linux has n. In Postfix 2.x a - in this column means y, from 3.0 on it means n",
)
LOGGED_IN_REFUSED = Fault(
    message="554 5.7.1 Relay access denied, after a login",
    made="postconf -P submission/inet/smtpd_relay_restrictions=reject_unauth_destination,permit_sasl_authenticated\n"
    "postfix reload",
    asked=(
        Ask(
            'SWAKS_OPT_auth_password="$PW" swaks --server MAILHOST --port 587 --tls --auth PLAIN'
            " --auth-user kensa --auth-hide-password --from kensa@example.test --to friend@example.org"
            " --quit-after RCPT 2>&1 | tail -n 5",
            r"554 5\.7\.1 .*Relay access denied",
            r"250 2\.1\.5",
        ),
    ),
    log="Relay access denied|auth=1",
    cause="a login alone does not allow relaying: the first match in the list decides, and permit_sasl_authenticated "
    "stands behind what refuses",
    cure="postconf -P submission/inet/smtpd_relay_restrictions=permit_sasl_authenticated,reject\npostfix reload",
    to_do="put permit_sasl_authenticated in front. `postconf -P` shows the lists that a service has of its own. "
    "auth=1 in the last line says that the login was good",
    elsewhere="Postfix 3.10 writes sasl_method and sasl_username into the line with reject, too. Before 2.10 the list "
    "is smtpd_recipient_restrictions",
)
NO_RELAY_RULE = Fault(
    message="fatal: in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one",
    made="postconf -P submission/inet/smtpd_relay_restrictions=permit_sasl_authenticated\npostfix reload",
    asked=_DEAD,
    log="specify at least one|throttling",
    cause="nothing in the list refuses a stranger, so Postfix ends rather than be an open relay",
    cure=f"postconf -P submission/inet/smtpd_relay_restrictions=permit_sasl_authenticated,reject\n{_RESTART}",
    to_do="end the list with reject, or on port 25 with reject_unauth_destination or defer_unauth_destination",
    elsewhere="before 2.10 there is no smtpd_relay_restrictions, and the message has the other name alone",
)
MAIN_CF_SYNTAX = Fault(
    message="missing '=' after attribute name",
    made="sed -i 's/^smtpd_tls_loglevel = 1/smtpd_tls_loglevel 1/' /etc/postfix/main.cf\npostfix reload",
    asked=(Ask("postconf -n >/dev/null && echo it can be read", "missing '='", "^it can be read"),),
    log=r"postfix\[.*missing '='",
    cause="a line of main.cf is no setting, so that no program of Postfix can read the file",
    cure="sed -i 's/^smtpd_tls_loglevel 1/smtpd_tls_loglevel = 1/' /etc/postfix/main.cf\npostfix reload",
    to_do="mend the line; the message has its number. Ask `postconf -n` before each reload",
    elsewhere="on Debian 12 `systemctl reload postfix` ends with 0 all the same. In master.cf a blank before the = "
    "of an -o says it, too: invalid \"-o NAME\" option value: missing '=' after attribute name",
)
