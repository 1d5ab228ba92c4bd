"""The target: entries of main.cf and services of master.cf, by Postfix version, each with its reason."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from runbook_lib import inventory
from runbook_lib.families import Family, Release
from runbook_lib.messages import message

# One text for every version: `>=TLSv1.2` turns TLS off before 3.6, and nothing says so.
PROTOCOLS = "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"
CIPHERS = {
    "base": "aNULL, kRSA",
    "strict": "aNULL, kRSA, kDHE, SHA1, SHA256, SHA384, CAMELLIA, ARIA, AESCCM",
}


@dataclass(frozen=True)
class Wanted:
    """An entry as it shall be.

    Args:
        name: the parameter.
        value: its value; None: main.cf shall not set it.
        why: the reason, with its source.
        since: the first Postfix version that knows it, or "".
        replaces: the values that it takes the place of, any where there are none; another one is an administrator's.
    """

    name: str
    value: str | None
    why: str
    since: str = ""
    replaces: tuple[str | None, ...] = ()


def settings(
    version: tuple[int, int],
    release: Release,
    host: inventory.Host,
    pem: PurePosixPath,
    *,
    own_certificate: bool = True,
) -> tuple[Wanted, ...]:
    """Entries of main.cf for a Postfix version.

    Args:
        version: (major, minor).
        release: what the package leaves.
        host: what the inventory asks for this host.
        pem: the file with key, certificate and intermediates, in this order.
        own_certificate: whether port 25 gets the certificate in it; False: main.cf names another one, which stays.
    Source: postconf(5) for each parameter; RFC 8996 and RFC 9325 for the floor; RFC 8314 for AUTH under TLS only.
    """
    if version >= (3, 4):
        pair = [
            Wanted(
                "smtpd_tls_chain_files",
                str(pem),
                message("key and chain in one file, so that no process reads half a pair"),
                "3.4",
            ),
            Wanted("smtpd_tls_cert_file", None, message("smtpd_tls_chain_files takes its place")),
            Wanted("smtpd_tls_key_file", None, message("smtpd_tls_chain_files takes its place")),
        ]
    else:
        pair = [
            Wanted(
                "smtpd_tls_cert_file",
                str(pem),
                message("certificate and intermediates; the key stands first in the same file"),
            ),
            Wanted("smtpd_tls_key_file", str(pem), message("the same file")),
        ]
    wanted = [
        *(pair if own_certificate else ()),
        Wanted(
            "smtpd_tls_security_level",
            "may",
            message("port 25 offers TLS to strangers and does not demand it (RFC 3207)"),
            "2.3",
        ),
        Wanted("smtpd_tls_auth_only", "yes", message("no AUTH before TLS, on no port (RFC 8314)"), "2.2"),
        Wanted(
            "smtpd_tls_mandatory_protocols",
            PROTOCOLS,
            message("465 and 587: TLS 1.2 or later (RFC 8996, RFC 9325)"),
            "2.3",
        ),
        Wanted("smtpd_tls_mandatory_ciphers", "high", message("465 and 587: OpenSSL's HIGH list"), "2.3"),
        Wanted(
            "smtpd_tls_mandatory_exclude_ciphers",
            CIPHERS[host.submission.ciphers],
            message("465 and 587: nothing anonymous, no static RSA key exchange (RFC 9325, 4.1)"),
            "2.3",
        ),
        Wanted("smtpd_tls_loglevel", "1", message("one line a handshake in the log"), "2.2"),
        Wanted(
            "smtpd_tls_received_header",
            "yes",
            message("the Received line says which TLS a mail came in by"),
            "2.2",
        ),
    ]
    if "inet_interfaces" in release.main_cf:
        wanted.append(
            Wanted(
                "inet_interfaces",
                "all",
                message("the package has Postfix take connections from this host alone"),
                replaces=(*release.main_cf["inet_interfaces"], "all", None),
            )
        )
    if version < (3, 0):
        wanted.append(
            Wanted(
                "mynetworks_style",
                "host",
                message("the default of this version lets the whole subnet send without a login"),
                "1.0",
            )
        )
    if host.submission.floor_on_25 != "as found":
        wanted.append(
            Wanted(
                "smtpd_tls_protocols",
                PROTOCOLS,
                message("port 25: the inventory asks for TLS 1.2 or later"),
                "2.3",
            )
        )
    if host.submission.auth_on_25:
        wanted.append(
            Wanted(
                "smtpd_sasl_auth_enable",
                "yes",
                message("port 25: the inventory asks for AUTH, as the document has it"),
                "1.0",
            )
        )
    return tuple(wanted)


# Entries that the chapter reads: another value changes what the two services do, or what verification means.
READ = {
    "smtpd_sasl_auth_enable": message("it decides whether port 25 takes logins"),
    "smtpd_sasl_type": message("it decides who checks logins"),
    "smtpd_sasl_path": message("it decides who checks logins"),
    "smtpd_sasl_security_options": message("it decides which logins are taken"),
    "smtpd_sasl_tls_security_options": message("it decides which logins are taken"),
    "smtpd_sasl_local_domain": message("it decides which names log in"),
    "smtpd_sasl_service": message("it decides who checks logins"),
    "smtpd_tls_wrappermode": message("every port would begin with TLS, 25 and 587 too"),
    "smtpd_use_tls": message("it is about TLS on every port"),
    "smtpd_enforce_tls": message("it is about TLS on every port"),
    "smtpd_tls_eccert_file": message("it is a second certificate, for each port"),
    "smtpd_tls_eckey_file": message("it is a second certificate, for each port"),
    "smtpd_tls_dcert_file": message("it is a second certificate, for each port"),
    "smtpd_tls_CAfile": message("its certificates are sent along on each port"),
    "smtpd_tls_ciphers": message("it governs TLS on port 25"),
    "smtpd_tls_exclude_ciphers": message("it counts on every port, 465 and 587 too"),
    "smtpd_tls_protocols": message("it governs TLS on port 25"),
    "smtpd_relay_restrictions": message("it decides who may relay"),
    "smtpd_recipient_restrictions": message("465 and 587 inherit it"),
    "smtpd_client_restrictions": message("465 and 587 inherit it"),
    "smtpd_helo_restrictions": message("465 and 587 inherit it"),
    "smtpd_sender_restrictions": message("465 and 587 inherit it"),
    "smtpd_milters": message("465 and 587 inherit it"),
    "content_filter": message("465 and 587 inherit it"),
    "cyrus_sasl_config_path": message("it decides which smtpd.conf counts"),
    "mynetworks_style": message("it decides who sends without a login"),
    # They decide who reaches the services, and what TLS they speak.
    "inet_interfaces": message("it decides who reaches any port"),
    "master_service_disable": message("it turns services off"),
    "smtpd_tls_req_ccert": message("it demands a certificate of every client, users included"),
    "tls_config_file": message("it decides what TLS every port speaks"),
    "tls_high_cipherlist": message("it decides what TLS 465 and 587 speak"),
    "tls_ssl_options": message("it decides what TLS every port speaks"),
}
# What the package's preset or the compiled default may have written for them without any effect.
_NEUTRAL = {
    "inet_interfaces": "all",
    "smtpd_relay_restrictions": "permit_mynetworks permit_sasl_authenticated defer_unauth_destination",
}


def neutral(name: str, value: str) -> bool:
    """True for a value that the package writes and that is the default all the same."""
    return _NEUTRAL.get(name) == " ".join(value.replace(",", " ").split())


def service(port: int, version: tuple[int, int], family: Family, more: tuple[str, ...] = ()) -> str:
    """The line of master.cf for a submission port, without a blank in any value (master(5), -o name=value).

    Args:
        version: (major, minor); before 3.6 names of ports come from /etc/services, which has 465 as smtps on
            systems of that day (RELEASE_NOTES-3.6, known_tcp_ports).
        more: further options ('name=value') that what is on the host asks for; one that is named here already
            takes its place.
    587 is submission with STARTTLS demanded (RFC 6409), 465 is submissions with TLS from the first byte (RFC 8314).
    """
    name = {587: "submission", 465: "submissions" if version >= (3, 6) else "smtps"}[port]
    mode = {587: "smtpd_tls_security_level=encrypt", 465: "smtpd_tls_wrappermode=yes"}[port]
    options = [
        f"syslog_name=postfix/{name}",
        mode,
        "smtpd_sasl_auth_enable=yes",
        "smtpd_tls_auth_only=yes",
        "smtpd_relay_restrictions=permit_sasl_authenticated,reject",
        "smtpd_reject_unlisted_recipient=no",
        "milter_macro_daemon_name=ORIGINATING",
    ]
    by_name = {option.partition("=")[0]: option for option in options}
    by_name |= {option.lstrip("{").partition("=")[0]: option for option in more}
    return f"{name} inet n - {family.chroot} - - smtpd " + " ".join(f"-o {o}" for o in by_name.values())


WHY_SERVICE = {
    587: message("submission: STARTTLS is demanded before anything else, then a login (RFC 6409)"),
    465: message("submissions: TLS from the first byte, then a login (RFC 8314)"),
}


def pam_service(family: Family, minimum_uid: int) -> bytes:
    """PAM's service `smtp`: root is kept out, then what every login of this host goes through.

    Args:
        minimum_uid: the lowest user id that may log in, at least 1.
    Source: pam_succeed_if(8).
    """
    return family.pam_text.format(minimum_uid=minimum_uid).encode()
