"""Key, certificate and chain: what is installed is not what a client can use."""

from handbook.fault import Ask, Fault

_SERVED = "/etc/ssl/private/postfix_mail-server.pem"
_RIGHT = f"cp new/server.pem {_SERVED}\npostfix reload"
_OFFERED = "swaks --server MAILHOST --port 587 --tls --quit-after STARTTLS 2>&1 | tail -n 5"
# To 587, as a program that demands a right name and a whole chain.
_CHECKED = (
    "openssl s_client -brief -connect MAILHOST:587 -starttls smtp -CAfile root.pem"
    " -verify_return_error -verify_hostname MAILHOST"
)
_ALERT = "SSL_accept error|TLS library problem"


def _installed(name: str) -> str:
    return f"cp new/{name}.pem {_SERVED}\npostfix reload"


def _refused(error: str) -> tuple[Ask]:
    return (Ask(_CHECKED, error, "^Verification: OK"),)


KEY_OF_ANOTHER = Fault(
    message="454 4.7.0 TLS not available due to local problem",
    made=_installed("other-key"),
    asked=(Ask(_OFFERED, r"454 4\.7\.0 TLS not available", "TLS peer DN"),),
    log="does not match|TLS library problem|disabling TLS",
    cause="the key in the file is not the one that the certificate was made for. Postfix goes on without TLS",
    cure=_RIGHT,
    to_do="put the key there that the request was made with: `openssl pkey -pubout` of the key and `openssl "
    "x509 -noout -pubkey` of the certificate print the same lines where the two belong together",
    elsewhere="with smtpd_tls_cert_file and smtpd_tls_key_file, as before Postfix 3.4: key values mismatch",
)
CERTIFICATE_FIRST = Fault(
    message="key not first",
    made=_installed("certificate-first"),
    asked=(Ask(_OFFERED, r"454 4\.7\.0 TLS not available", "TLS peer DN"),),
    log="key not first|disabling TLS",
    cause="smtpd_tls_chain_files wants the key first, then its certificate, then the intermediates",
    cure=_RIGHT,
    to_do="write the file anew in that order: `cat KEY CERTIFICATE INTERMEDIATES`",
    elsewhere="before Postfix 3.4 there is no such setting: key and certificate have a file each, and no "
    "order",
)
PASSPHRASE = Fault(
    message="ignoring PEM type: ENCRYPTED PRIVATE KEY",
    made=_installed("passphrase"),
    asked=(Ask(_OFFERED, r"454 4\.7\.0 TLS not available", "TLS peer DN"),),
    log="ENCRYPTED|key not first|disabling TLS",
    cause="the key has a passphrase, and nobody is there to type it when Postfix starts",
    cure=_RIGHT,
    to_do="use the key without a passphrase, readable by root alone: `openssl pkey -in LOCKED -out OPEN`",
    elsewhere="with smtpd_tls_key_file: bad password read, then cannot get RSA private key from file: "
    "disabling TLS support",
)
FILE_GONE = Fault(
    message="alert handshake failure, and the log has: error opening chain file",
    made=f"mv {_SERVED} aside.pem\npostfix reload",
    asked=(Ask(_CHECKED, "alert handshake failure", "^Verification: OK"),),
    log="error opening chain|SSL_accept error|no shared cipher",
    cause="the file that smtpd_tls_chain_files names is not there. TLS stays on without a certificate, so "
    "that only anonymous ciphers are left, which no program takes",
    cure=f"mv aside.pem {_SERVED}\npostfix reload",
    to_do="put the file back, or mend the name: `postconf smtpd_tls_chain_files`",
)
EXPIRED = Fault(
    message="certificate has expired",
    made=_installed("expired"),
    asked=_refused("certificate has expired"),
    log=_ALERT,
    cause="the certificate's last day is over. The client said so in an alert, which is all that the log has",
    cure=_RIGHT,
    to_do="get a new certificate; `openssl x509 -noout -enddate -in FILE` says until when one is good",
)
NOT_YET_VALID = Fault(
    message="certificate is not yet valid",
    made=_installed("early"),
    asked=_refused("certificate is not yet valid"),
    log=_ALERT,
    cause="the certificate begins later than now. Where its date is right, the clock of the client is slow",
    cure=_RIGHT,
    to_do="compare `date -u` on both sides with `openssl x509 -noout -startdate -in FILE`; set the clock "
    "that is wrong, or have the certificate made anew",
)
OTHER_NAME = Fault(
    message="hostname mismatch",
    made=_installed("www"),
    asked=_refused("hostname mismatch"),
    log=_ALERT,
    cause="the name that the user typed is not among the names of the certificate",
    cure=_RIGHT,
    to_do="have a certificate made with that name as a subjectAltName, or have users type one that it has: "
    "`openssl x509 -noout -ext subjectAltName -in FILE`. What the server calls itself, its greeting, does "
    "not count",
)
NO_INTERMEDIATE = Fault(
    message="unable to get local issuer certificate",
    made=_installed("without-intermediate"),
    asked=_refused("unable to get local issuer certificate"),
    log=_ALERT,
    cause="the server sends its own certificate alone, and the client does not know who signed it. A browser "
    "that has met the intermediate elsewhere sees no fault",
    cure=_RIGHT,
    to_do="put the intermediates behind the certificate, each behind the one that it signed",
)
UNKNOWN_CA = Fault(
    message="alert unknown ca",
    made=_installed("unknown"),
    asked=_refused("unable to get local issuer|self-signed certificate"),
    log=_ALERT,
    cause="the certificate is of a CA that this client does not trust",
    cure=_RIGHT,
    to_do="install the CA's root on the client, or use a certificate of a CA that it trusts already. The client "
    "says the same of a missing intermediate: `openssl s_client -showcerts` shows what the server sends",
)
NOT_TAKEN_UP = Fault(
    message="the old certificate is still shown",
    made=f"cp new/expired.pem {_SERVED}\npostfix reload\n"
    "openssl s_client -connect MAILHOST:587 -starttls smtp </dev/null >/dev/null 2>&1\n"
    f"cp new/server.pem {_SERVED}",
    asked=(
        Ask(
            "openssl s_client -connect MAILHOST:587 -starttls smtp 2>/dev/null | openssl x509 -noout -enddate",
            "notAfter=Jan  1 00:00:00 2026 GMT",
        ),
        *_refused("certificate has expired"),
    ),
    log=_ALERT,
    cause="the file has the new certificate, and the smtpd processes that are running read the file when "
    "they began. They live for up to 100 connections or 100 idle seconds, so for a while some answers are "
    "old and some are new",
    cure="postfix reload",
    to_do="reload after each change of the file; it ends no session",
)
