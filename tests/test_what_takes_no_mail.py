"""Settings with which no mail comes in are found, and said: smtpd does not start, or refuses every stranger."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from cryptography import x509
from mail_states import mail_state
from pki_chains import certificate

from runbook_lib.mail.certificates.configured import CertificateFile, ConfiguredCertificate
from runbook_lib.mail.configuration.postconf import MAIN_CF
from runbook_lib.mail.findings import refused
from runbook_lib.mail.findings.finding import Look
from runbook_lib.mail.target import restrictions
from runbook_lib.mail.target.restrictions import strangers
from runbook_lib.remote.files import FileState, Seen
from runbook_lib.x509.certificate import public_key_sha256

RELAY, RECIPIENT, CLIENT = strangers.RELAY, strangers.RECIPIENT, "smtpd_client_restrictions"
LEAF, INTERMEDIATE = certificate("leaf", "int", ca=False), certificate("int", "root")
NO_START = {
    "an open relay": {RELAY: "permit_mynetworks"},
    "nothing at all": {RELAY: ""},
    "a guard that only warns": {RELAY: "permit_mynetworks, warn_if_reject reject_unauth_destination"},
    "a guard that nobody comes to": {RELAY: "permit_mynetworks, permit, reject"},
    "no guard in either list": {RELAY: "permit_mynetworks", RECIPIENT: "reject_unknown_sender_domain"},
}
STARTS = {
    "the default": {CLIENT: "permit_mynetworks"},
    "a guard in the other list": {
        RELAY: "permit_mynetworks",
        RECIPIENT: "permit_mynetworks Reject_Unauth_Destination",
    },
    "a guard in a class": {
        RELAY: "permit_mynetworks, own",
        "smtpd_restriction_classes": "own",
        "own": "reject_unauth_destination",
    },
}
NO_MAIL = {
    "reject alone": ({RELAY: "reject"}, RELAY, "reject answers every stranger with 554"),
    "behind our own clients": (
        {RELAY: "permit_mynetworks, reject"},
        RELAY,
        "takes no mail from other servers",
    ),
    "for later, for ever": (
        {CLIENT: "permit_mynetworks defer"},
        CLIENT,
        "defer answers every stranger with 450",
    ),
    "behind what refuses some": (
        {RECIPIENT: "permit_sasl_authenticated, reject_unauth_destination, reject"},
        RECIPIENT,
        "port 25 takes no mail",
    ),
}
TAKES_MAIL = {
    "a table may let some by": {RELAY: "permit_mynetworks, check_client_access hash:/x, reject"},
    "mail for here is let by": {RELAY: "permit_mynetworks, permit_auth_destination, reject"},
    "it only warns": {RELAY: "permit_mynetworks, warn_if_reject reject, reject_unauth_destination"},
    "nobody comes to it": {RECIPIENT: "permit_mynetworks, permit, reject"},
}


def found(main_cf: dict[str, str]) -> dict[str, str]:
    """What is found of such a main.cf: place and meaning."""
    main = "".join(f"{name} = {value}\n" for name, value in main_cf.items())
    look = Look(mail_state(main_cf, main=main))
    return {one.place.name: one.meaning for one in refused.find(look)}


@pytest.mark.parametrize("main_cf", NO_START.values(), ids=NO_START)
def test_lists_that_smtpd_does_not_start_with_are_found_and_do_not_stay(main_cf: dict[str, str]) -> None:
    assert found(main_cf)[RELAY] == strangers.NO_START
    assert not restrictions.rulings(mail_state(main_cf))[RELAY].kept


@pytest.mark.parametrize("main_cf", STARTS.values(), ids=STARTS)
def test_lists_that_smtpd_starts_with_are_not_remarked_on(main_cf: dict[str, str]) -> None:
    assert found(main_cf) == {}


@pytest.mark.parametrize(("main_cf", "name", "words"), NO_MAIL.values(), ids=NO_MAIL)
def test_lists_that_refuse_every_stranger_are_found(main_cf: dict[str, str], name: str, words: str) -> None:
    assert words in found(main_cf)[name]


@pytest.mark.parametrize("main_cf", TAKES_MAIL.values(), ids=TAKES_MAIL)
def test_lists_that_let_some_stranger_by_are_not_remarked_on(main_cf: dict[str, str]) -> None:
    assert found(main_cf) == {}


@pytest.mark.parametrize("grade", ["high", "medium", "low", "export", "null"])
def test_an_empty_list_of_ciphers_is_found(grade: str) -> None:
    assert "smtpd does not start" in found({f"tls_{grade}_cipherlist": ""})[f"tls_{grade}_cipherlist"]
    assert found({f"tls_{grade}_cipherlist": "HIGH"}) == {}


@pytest.mark.parametrize(
    ("certificates", "misplaced"),
    [((LEAF, INTERMEDIATE), False), ((INTERMEDIATE, LEAF), True), ((INTERMEDIATE,), False)],
    ids=["in order", "the intermediate first", "another file's"],
)
def test_a_file_whose_first_certificate_is_not_the_servers_is_found(
    certificates: tuple[x509.Certificate, ...], misplaced: bool
) -> None:
    """Postfix takes the first for the server's, and turns TLS off."""
    path = PurePosixPath("/etc/ssl/own.pem")
    key = public_key_sha256(LEAF)
    file = CertificateFile(path, path, "600 root:root", key, certificates)
    said = ConfiguredCertificate({}, (file,), ()).misplaced
    assert ("the first certificate in /etc/ssl/own.pem (CN=int)" in said) is misplaced


@pytest.mark.parametrize(("mode", "seen"), [(0o640, {str(MAIN_CF): True}), (0o644, {})], ids=["0640", "0644"])
def test_a_main_cf_that_users_may_not_read_is_found(mode: int, seen: dict[str, bool]) -> None:
    file = FileState.wanted(b"", "root:postfix", mode)
    state = replace(mail_state({}), seen={MAIN_CF: Seen(file.line, file)})
    look = Look(state)
    assert {str(one.place.thing): "cannot send mail" in one.meaning for one in refused.find(look)} == seen
