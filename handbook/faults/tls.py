"""TLS itself: versions, ciphers, and whether it begins at once or after STARTTLS."""

from handbook.fault import Ask, Fault

_STARTTLS = "openssl s_client -brief -connect MAILHOST:587 -starttls smtp -CAfile root.pem"
_AT_ONCE = "openssl s_client -brief -connect MAILHOST:465 -CAfile root.pem"
_DONE = "CONNECTION ESTABLISHED"

PROTOCOL_MISSPELT = Fault(
    message="Invalid TLS protocol list",
    made="postconf -e 'smtpd_tls_mandatory_protocols = >=TLS1.2'\npostfix reload",
    asked=(
        Ask("postfix check && echo nothing found", "nothing found"),
        Ask(
            "swaks --server MAILHOST --port 587 --tls --quit-after STARTTLS 2>&1 | tail -n 5",
            r"454 4\.7\.0",
            "TLS peer DN",
        ),
    ),
    log="TLS protocol",
    cause="TLSv1.2 is written with a v. What Postfix cannot read turns TLS off, and `postfix check` does not "
    "see it",
    cure="postconf -e 'smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1'\npostfix reload",
    to_do="write the versions that are off: versions before 3.6 read that form, too",
    elsewhere=">=TLSv1.2, rightly spelled, is read from Postfix 3.6 on; 2.10 and 3.5 turn TLS off for it, "
    "too",
)
OLD_CLIENT = Fault(
    message="alert protocol version",
    made="",
    asked=(
        Ask(
            f"{_STARTTLS} -tls1 -cipher 'ALL:@SECLEVEL=0'",
            "alert protocol version",
            _DONE,
            f"{_STARTTLS} -tls1_2",
        ),
    ),
    log="SSL_accept error|unsupported protocol",
    cause="the client has TLS 1.0 alone, and the floor is 1.2 (RFC 8996)",
    cure="",
    to_do="bring the program or its system up to date. To lower the floor for one printer lowers it for "
    "every password",
    elsewhere="Postfix 2.10 with OpenSSL 1.0 closes the connection without an alert",
)
NO_SHARED_CIPHER = Fault(
    message="no shared cipher",
    made="postconf -e 'smtpd_tls_mandatory_exclude_ciphers = aNULL, kRSA, ECDHE, DHE' \\\n"
    "    'smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1, !TLSv1.3'\npostfix reload",
    asked=(Ask(_STARTTLS, "alert handshake failure", _DONE),),
    log="SSL_accept error|no shared cipher",
    cause="after all that is excluded no cipher is left that fits the certificate and the client",
    cure="postconf -e 'smtpd_tls_mandatory_exclude_ciphers = aNULL, kRSA' \\\n"
    "    'smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1'\npostfix reload",
    to_do="exclude less. TLS 1.3 has ciphers of its own, which these lists do not touch: a client that has "
    "it sees no fault",
    elsewhere="the same lines come where the certificate is ECDSA and the client has RSA alone: serve one of each, "
    "smtpd_tls_chain_files takes both",
)
NOT_OFFERED = Fault(
    message="Didn't find STARTTLS in server response",
    made="postconf -e 'smtpd_tls_security_level = none'\npostfix reload",
    asked=(
        Ask(
            "openssl s_client -brief -connect MAILHOST:25 -starttls smtp -CAfile root.pem",
            "Didn't find STARTTLS",
            _DONE,
        ),
    ),
    log="",
    cause="TLS is off on port 25. The submission ports have a level of their own in master.cf, so they show "
    "no fault",
    cure="postconf -e 'smtpd_tls_security_level = may'\npostfix reload",
    to_do="set smtpd_tls_security_level = may. Where it is set, see what the service's own lines say: "
    "`postconf -P`",
    elsewhere="a server of Postfix 2.2's day has smtpd_use_tls = yes in its place; from 3.9 on it is "
    "deprecated",
)
WRAPPERMODE_EVERYWHERE = Fault(
    message="no greeting on 25 and 587, until the client gives up",
    made="postconf -e smtpd_tls_wrappermode=yes\npostfix reload",
    asked=(
        Ask(
            "swaks --server MAILHOST --port 587 --timeout 2 --quit-after CONNECT",
            "Timeout",
            "220 ",
            "swaks --server MAILHOST --port 587 --quit-after CONNECT",
        ),
    ),
    log="SSL_accept error|wrong version number",
    cause="smtpd_tls_wrappermode = yes in main.cf counts for every port: the server waits for TLS, the "
    "client for a greeting",
    cure="postconf -X smtpd_tls_wrappermode\npostfix reload",
    to_do="take it out of main.cf; it belongs to the service of port 465 in master.cf alone",
)
WRAPPERMODE_MISSING = Fault(
    message="wrong version number, on port 465",
    made="postconf -P submissions/inet/smtpd_tls_wrappermode=no\npostfix reload",
    asked=(Ask(_AT_ONCE, "wrong version number", _DONE),),
    log="improper command|lost connection after",
    cause="the server greets in clear on 465, and the client takes the greeting for a broken piece of TLS",
    cure="postconf -P submissions/inet/smtpd_tls_wrappermode=yes\npostfix reload",
    to_do="set -o smtpd_tls_wrappermode=yes for the service of port 465",
    elsewhere="the service is called smtps where /etc/services is older, and may be called 465: find it by "
    "its port",
)
AT_ONCE_ON_587 = Fault(
    message="wrong version number, on port 587",
    made="",
    asked=(Ask("openssl s_client -brief -connect MAILHOST:587", "wrong version number", _DONE, _STARTTLS),),
    log="improper command|lost connection after",
    cause="the program begins TLS at once on 587, where STARTTLS comes first",
    cure="",
    to_do="set the program to STARTTLS on 587, or to SSL/TLS on 465",
)
CLEAR_ON_465 = Fault(
    message="no greeting on 465, and the log has: wrong version number",
    made="",
    asked=(
        Ask(
            "printf 'EHLO client.example.test\\r\\n' | nc -w 3 MAILHOST 465; echo closed without a byte",
            "closed",
            _DONE,
            _AT_ONCE,
        ),
    ),
    log="SSL_accept error|wrong version number",
    cause="the program speaks in clear on 465, where TLS comes first",
    cure="",
    to_do="set the program to SSL/TLS on 465, or to STARTTLS on 587",
)
