"""Each way to break a mail server is found by the claim that is about it, and by no other claim.

The line beside each row that fails, typed as it stands, shows the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import probes_postfix
import pytest
from probes_certificates import make
from probes_defects import Defect, find, main_cf, service, shell
from probes_postfix import RELOAD, MailHost, failures, seen_by

from lab import Lab
from runbook_lib.mail import probes

ALL = (25, 465, 587)
RESTART = "systemctl restart postfix"


@pytest.fixture
def host(lab: Lab) -> MailHost:
    return probes_postfix.host(lab)


@contextmanager
def another_certificate(host: MailHost) -> Iterator[None]:
    """The old one is still shown: it validates, and is not the one that was signed."""
    with host.showing(make("Old", host.root, (host.target.name, *host.target.expected_names))):
        yield


@contextmanager
def another_name(host: MailHost) -> Iterator[None]:
    other = make("Other", host.root, ("www.example.test",))
    with host.showing(other), host.expecting(other):
        yield


@contextmanager
def expired(host: MailHost) -> Iterator[None]:
    old = make("Old", host.root, host.names, begins_in_days=-9, ends_in_days=-2)
    with host.showing(old), host.expecting(old):
        yield


@contextmanager
def not_yet_valid(host: MailHost) -> Iterator[None]:
    early = make("Early", host.root, host.names, begins_in_days=2)
    with host.showing(early), host.expecting(early):
        yield


@contextmanager
def without_intermediate(host: MailHost) -> Iterator[None]:
    """The leaf alone is installed; whoever knows the intermediate from elsewhere sees no fault."""
    leaf = make("Leaf", make("Intermediate", host.root), host.names)
    with host.showing(leaf), host.expecting(leaf):
        yield


@contextmanager
def another_key(host: MailHost) -> Iterator[None]:
    with host.broken_file(make("Key of another", host.root, host.names).key_pem + host.server.pem):
        yield


@contextmanager
def certificate_gone(host: MailHost) -> Iterator[None]:
    with host.broken("rm /etc/postfix/probes.pem; postfix reload"):
        yield


CLEAR_DEFECTS = (
    Defect(
        "AUTH in clear on 587",
        service("submission/inet/smtpd_tls_security_level=may", "submission/inet/smtpd_tls_auth_only=no"),
        {
            probes.NO_AUTH_IN_CLEAR: (587,),
            probes.NO_MAIL_BEFORE_STARTTLS: (587,),
            probes.OLD_VERSIONS_REFUSED: (587,),  # the mandatory family does not count where TLS is not
        },
        "AUTH is offered in clear, and a password sent all the same is looked at (535",
        {
            probes.NO_AUTH_IN_CLEAR: r"^250-AUTH PLAIN LOGIN.*^535 5\.7\.8",
            probes.NO_MAIL_BEFORE_STARTTLS: r"^250 2\.1\.0 Ok",
            probes.OLD_VERSIONS_REFUSED: r"^New, TLSv1\.0, Cipher is ECDHE.*\n0\n\Z",
        },
    ),
    Defect(
        "AUTH in clear on 25",
        service("smtp/inet/smtpd_sasl_auth_enable=yes", "smtp/inet/smtpd_tls_auth_only=no"),
        {probes.NO_AUTH_IN_CLEAR: (25,), probes.AUTH_AFTER_TLS: (25,)},
        "nobody asked for that on 25",
        {
            probes.NO_AUTH_IN_CLEAR: r"^250-AUTH PLAIN LOGIN.*^535 5\.7\.8",
            probes.AUTH_AFTER_TLS: r"^<~  250-AUTH PLAIN LOGIN",
        },
    ),
    Defect(
        "AUTH taken in clear, though EHLO hides it",
        service(
            "smtp/inet/smtpd_sasl_auth_enable=yes",
            "smtp/inet/smtpd_tls_auth_only=no",
            "smtp/inet/smtpd_sasl_exceptions_networks=static:all",
        ),
        {probes.NO_AUTH_IN_CLEAR: (25,)},
        "AUTH is not offered in clear, but a password sent all the same is looked at",
        {probes.NO_AUTH_IN_CLEAR: r"^250-ENHANCEDSTATUSCODES(?!.*AUTH PLAIN).*^535 5\.7\.8"},
    ),
    Defect(
        "no TLS on 25",
        main_cf("smtpd_tls_security_level=none"),
        {probes.STARTTLS_OFFERED: (25,), probes.CHAIN_VALIDATES: (25,)},
        "STARTTLS is not offered",
        {
            probes.STARTTLS_OFFERED: r"^220 (?!.*STARTTLS).*^221 ",
            probes.CHAIN_VALIDATES: r"Didn't find STARTTLS.*\n1\n\Z",
        },
    ),
    Defect(
        "465 without wrapper mode",
        service("submissions/inet/smtpd_tls_wrappermode=no"),
        {probes.ONLY_TLS_ON_465: (465,), probes.CHAIN_VALIDATES: (465,)},
        "answers in plain text where TLS is expected from the first byte",
        {probes.ONLY_TLS_ON_465: r"\A220 ", probes.CHAIN_VALIDATES: r"wrong version number.*\n1\n\Z"},
    ),
    Defect(
        "wrapper mode on every port",
        main_cf("smtpd_tls_wrappermode=yes"),
        {probes.STARTTLS_OFFERED: (25, 587)},
        "expects TLS from the first byte (wrapper mode)",
        {probes.STARTTLS_OFFERED: r"\A(?!.*220 )"},
    ),
    Defect(
        "no SASL mechanism",
        shell("printf 'mech_list: NONE\\n' >/etc/postfix/sasl/smtpd.conf; postfix reload", mend=RESTART),
        {probes.AUTH_AFTER_TLS: (465, 587)},
        "the connection is closed after TLS began",
        {probes.AUTH_AFTER_TLS: r"Remote host closed connection.*\n6\n\Z"},
    ),
)
CERTIFICATE_DEFECTS = (
    Defect(
        "not the signed one",
        another_certificate,
        {probes.SERIAL_ON_EACH_PORT: ALL},
        "was signed",
        {probes.SERIAL_ON_EACH_PORT: r"^serial=(?!SIGNED$)"},
    ),
    Defect(
        "another certificate on 587 alone",
        shell(
            "cp /root/other.pem /etc/postfix/other.pem;"
            "postconf -P submission/inet/smtpd_tls_chain_files=/etc/postfix/other.pem; " + RELOAD
        ),
        {probes.SERIAL_ON_EACH_PORT: (587,)},
        "was signed",
        {probes.SERIAL_ON_EACH_PORT: r"^serial=(?!SIGNED$)"},
    ),
    Defect(
        "another name",
        another_name,
        {probes.CHAIN_VALIDATES: ALL, probes.NAMES_COVERED: (None,)},
        "not trusted: Hostname mismatch",
        {
            probes.CHAIN_VALIDATES: r"error:num=62:hostname mismatch.*\n1\n\Z",
            probes.NAMES_COVERED: r"DNS:www\.example\.test$",
        },
    ),
    Defect(
        "expired",
        expired,
        {probes.CHAIN_VALIDATES: ALL, probes.DAYS_LEFT: ALL},
        "certificate has expired",
        {
            probes.CHAIN_VALIDATES: r"error:num=10:certificate has expired.*\n1\n\Z",
            probes.DAYS_LEFT: r"error:num=10.*^notAfter=",
        },
    ),
    Defect(
        "not yet valid",
        not_yet_valid,
        {probes.CHAIN_VALIDATES: ALL, probes.DAYS_LEFT: ALL},
        "certificate is not yet valid",
        {
            probes.CHAIN_VALIDATES: r"error:num=9:certificate is not yet valid.*\n1\n\Z",
            probes.DAYS_LEFT: r"error:num=9:.*^notBefore=",
        },
    ),
    Defect(
        "leaf without its intermediate",
        without_intermediate,
        {probes.CHAIN_VALIDATES: ALL},
        "unable to get local issuer certificate, and the server sends its own certificate only",
        {probes.CHAIN_VALIDATES: r"error:num=20:unable to get local issuer certificate.*\n1\n\Z"},
    ),
    Defect(
        "key of another certificate",
        another_key,
        {probes.CHAIN_VALIDATES: ALL},
        "STARTTLS is refused (454 4.7.0 TLS not available due to local problem)",
        {probes.CHAIN_VALIDATES: r"(wrong version number|unexpected eof|errno=104).*\n1\n\Z"},
    ),
    Defect(
        "certificate gone",
        certificate_gone,
        {probes.CHAIN_VALIDATES: ALL},
        "refused by the server",
        {probes.CHAIN_VALIDATES: r"alert handshake failure.*\n1\n\Z"},
    ),
)
RULE_DEFECTS = (
    Defect(
        "TLS 1.0 and 1.1 on 465 and 587",
        main_cf("smtpd_tls_mandatory_protocols=!SSLv2,!SSLv3", "tls_high_cipherlist=ALL:@SECLEVEL=0"),
        {probes.OLD_VERSIONS_REFUSED: (465, 587)},
        "TLS 1.0: accepted",
        {probes.OLD_VERSIONS_REFUSED: r"^New, TLSv1\.0, Cipher is ECDHE.*\n0\n\Z"},
    ),
    Defect(
        "TLS 1.1 on 587",
        shell(
            "postconf -P 'submission/inet/smtpd_tls_mandatory_protocols=!SSLv2,!SSLv3,!TLSv1';"
            "postconf -e tls_high_cipherlist=ALL:@SECLEVEL=0; " + RELOAD
        ),
        {probes.OLD_VERSIONS_REFUSED: (587,)},
        "TLS 1.1: accepted",
        {probes.OLD_VERSIONS_REFUSED: r"^New, TLSv1\.0, Cipher is ECDHE.*\n0\n\Z"},
    ),
    Defect(
        "TLS 1.3 only",
        main_cf("smtpd_tls_mandatory_protocols=!SSLv2,!SSLv3,!TLSv1,!TLSv1.1,!TLSv1.2"),
        {probes.NEW_VERSIONS_ACCEPTED: (465, 587)},
        "TLS 1.2: refused by the server",
        {probes.NEW_VERSIONS_ACCEPTED: r"alert protocol version.*\n1\n\Z"},
    ),
    Defect(
        "a list of ciphers that was written for an RSA certificate",
        main_cf("smtpd_tls_exclude_ciphers=ECDSA, RSA+AES"),
        {probes.NEW_VERSIONS_ACCEPTED: ALL, probes.ONE_KIND_ALONE: ALL},
        "TLS 1.2, EC alone: refused by the server (handshake failure), though the certificate is EC",
        {
            probes.NEW_VERSIONS_ACCEPTED: r"alert handshake failure.*\n1\n\Z",
            probes.ONE_KIND_ALONE: r"alert handshake failure.*\n1\n\Z",
        },
    ),
    Defect(
        "mynetworks that take in everybody",
        main_cf("mynetworks=127.0.0.0/8 0.0.0.0/0 [::]/0"),
        {probes.NO_RELAY_WITHOUT_LOGIN: (25,)},
        "a foreign recipient is taken without a login, from a foreign sender (250)",
        {probes.NO_RELAY_WITHOUT_LOGIN: r"^ ?<[-~]  250 2\.1\.5 Ok.*\n0\n\Z"},
    ),
    Defect(
        "relay for whoever writes the domain as sender",
        main_cf(
            "smtpd_relay_restrictions=check_sender_access inline:{example.test=OK}, reject_unauth_destination"
        ),
        {probes.NO_RELAY_WITHOUT_LOGIN: (25,)},
        "from a sender of its own domain",
        {probes.NO_RELAY_WITHOUT_LOGIN: r"^ ?<[-~]  250 2\.1\.5 Ok.*\n0\n\Z"},
    ),
    Defect(
        "587 relays without a login",
        service("submission/inet/smtpd_relay_restrictions=check_client_access,static:OK,reject"),
        {probes.NO_RELAY_WITHOUT_LOGIN: (587,)},
        "taken without a login",
        {probes.NO_RELAY_WITHOUT_LOGIN: r"^ ?<[-~]  250 2\.1\.5 Ok.*\n0\n\Z"},
    ),
)


@pytest.mark.parametrize("defect", [*CLEAR_DEFECTS, *CERTIFICATE_DEFECTS, *RULE_DEFECTS], ids=str)
def test_each_defect_is_found_by_the_claim_about_it_and_by_the_line_beside_it(
    host: MailHost, defect: Defect
) -> None:
    host.other_certificate()
    find(host, defect, lambda: host.survey(account=None))


def test_a_small_number_of_days_is_a_warning(host: MailHost) -> None:
    """It puts nothing back: what runs out soon is renewed, not undone."""
    short = make("Short", host.root, host.names, ends_in_days=5)
    with host.showing(short), host.expecting(short):
        rows = probes.days_left(host.survey(account=None))
    assert seen_by(rows) == {"warning: server certificate ends in 5 days: renew in time"}
    assert all(row.warns for row in rows)
    assert failures(rows) == {}


def test_a_whole_chain_below_an_intermediate_passes(host: MailHost) -> None:
    intermediate = make("Intermediate", host.root)
    leaf = make("Leaf", intermediate, host.names)
    with host.showing(leaf, intermediate), host.expecting(leaf):
        survey = host.survey(account=None)
        assert failures(probes.chain_validates(survey)) == {}
        words = "server certificate, intermediate, root: more than 30 days each"
        assert seen_by(probes.days_left(survey)) == {words}


def test_a_floor_on_25_is_required_only_where_the_inventory_asks(host: MailHost) -> None:
    """The mandatory list is right and says nothing about 25, which goes by a list of its own."""
    asked = host.survey(account=None, tls_floor_on_25="TLSv1.2")
    assert failures(probes.old_versions_refused(asked)) == {probes.OLD_VERSIONS_REFUSED: {25}}
    found = host.survey(account=None)
    assert failures(probes.old_versions_refused(found)) == {}
    with host.main_cf("smtpd_tls_protocols=!SSLv2,!SSLv3,!TLSv1,!TLSv1.1"):
        again = host.survey(account=None, tls_floor_on_25="TLSv1.2")
        assert failures(probes.old_versions_refused(again)) == {}
