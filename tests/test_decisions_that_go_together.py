"""Answers that are offered side by side can be carried out side by side; each combination is a row."""

import json
import subprocess
import textwrap
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from applied_host import RUNBOOK
from certificates_on_25 import PRIVATE, PRIVATE_ROOT, install
from decided import decided
from mail_states import mail_state
from ruamel.yaml import YAML
from shaped_host import HOST, WITH_SASL, applied
from trees import AT_WORK, changed

from lab import Lab
from runbook_lib import inventory
from runbook_lib.chapters import decisions
from runbook_lib.errors import ApplyRefused, InventoryError
from runbook_lib.inventory.place import Place
from runbook_lib.mail.certificates.configured import ENTRIES, CertificateFile, ConfiguredCertificate
from runbook_lib.mail.certificates.on_port_25 import CertificateOnPort25
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.differences import judged, services_found
from runbook_lib.mail.differences.difference import Difference, Effect
from runbook_lib.mail.target import services
from runbook_lib.mail.target.decisions import Choices, of_setting

PEM = PurePosixPath("/etc/ssl/private/postfix_mail-server.pem")
OTHER = "/etc/ssl/own.pem"
PLACE = {465: "submissions/inet", 587: "submission/inet"}
TLS = {465: "-o smtpd_tls_wrappermode=yes", 587: "-o smtpd_tls_security_level=encrypt"}
OWN = f"-o smtpd_tls_chain_files={PEM}"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> inventory.Host:
    file = tmp_path_factory.mktemp("book") / "site.yaml"
    file.write_text(
        "site: {name: A, domain: example.test, ca: {passphrase: 'env:A'}}\n"
        "hosts: {mail1: {address: 192.0.2.1, names: {smtp: mail.example.test}, "
        "certificate: {key_passphrase: 'env:A'}}}\n"
    )
    return inventory.load(str(file)).host("mail1")


def certificate(stays: bool, unfit: str) -> CertificateOnPort25:
    file = CertificateFile(PurePosixPath(OTHER), PurePosixPath(OTHER), "600 root:root", "", ())
    found = ConfiguredCertificate({"smtpd_tls_chain_files": OTHER}, (file,), ())
    return CertificateOnPort25(found, ("kept",) if stays else (), (), unfit, of_package=False)


ON_25 = {
    "none": None,
    "undecided": certificate(stays=False, unfit="it is private"),
    "kept, for port 25 alone": certificate(stays=True, unfit="it is private"),
    "kept, and users trust it": certificate(stays=True, unfit=""),
}


def state_with(port: int, options: str, on_25: CertificateOnPort25 | None) -> MailState:
    head = f"{PLACE[port].removesuffix('/inet')} inet n - y - - smtpd {TLS[port]}"
    line = f"{head} -o smtpd_sasl_auth_enable=yes {options}"
    found = mail_state({"smtpd_tls_chain_files": OTHER} if on_25 else {}, {PLACE[port]: (line.strip(),)})
    return replace(found, certificate=on_25)


# What else the line has, and what is on port 25: whether the line can be kept.
TABLE = [
    ("", "none", True),
    ("", "undecided", True),
    ("", "kept, for port 25 alone", False),  # the line would show that one to users
    ("", "kept, and users trust it", True),
    (OWN, "none", True),
    (OWN, "undecided", True),
    (OWN, "kept, for port 25 alone", True),
    (OWN, "kept, and users trust it", True),
    (f"-o smtpd_tls_chain_files={OTHER}", "none", False),  # nobody knows whether users trust it
    (f"-o smtpd_tls_chain_files={OTHER}", "kept, for port 25 alone", False),
    (f"-o smtpd_tls_chain_files={OTHER}", "kept, and users trust it", True),
    (f"-o smtpd_tls_cert_file={OTHER}", "none", False),
    ("-o smtpd_tls_mandatory_protocols=!SSLv2", "none", False),
    ("-o smtpd_tls_mandatory_protocols=!SSLv2,!SSLv3,!TLSv1,!TLSv1.1", "none", True),
    ("-o smtpd_tls_mandatory_protocols=>=TLSv1.2", "none", True),
]


@pytest.mark.parametrize("port", [465, 587])
@pytest.mark.parametrize(("options", "on_25", "is_kept"), TABLE)
def test_a_line_is_kept_where_what_it_shows_can_be_proved(
    host: inventory.Host, port: int, options: str, on_25: str, is_kept: bool
) -> None:
    """What is offered, what is refused with its reason, and what would be written say the same."""
    decision = inventory.Decision(about=f"master.cf, {PLACE[port]}", decide="keep", reason="tested")
    keeping = host.model_copy(update={"decisions": (decision,)})
    state = replace(state_with(port, options, ON_25[on_25]), host=keeping)
    (one,) = [one for one in services_found.differences(state) if one.where == decision.place]
    assert bool(one.choices.keep) == is_kept
    written = {service.name for service in services.services(state)}
    assert (PLACE[port] not in written) == is_kept
    refused = dict(judged.without_effect((replace(one, decision=decision if is_kept else None),), keeping))
    assert bool(refused) == (not is_kept)
    if not is_kept:
        assert one.choices.not_kept in refused[one.where]
        assert "it can be decided as: replace" in refused[one.where]


def test_what_excludes_what_is_said_while_both_are_open() -> None:
    (one,) = services_found.differences(state_with(587, "", ON_25["undecided"]))[:1]
    assert "not where the certificate of port 25 is kept" in one.choices.keep
    (one,) = services_found.differences(state_with(587, OWN, ON_25["undecided"]))[:1]
    assert one.choices.keep == "it stays, and is verified as it is"


def test_the_certificate_that_is_offered_to_stay_gives_the_others_their_own() -> None:
    for name in ENTRIES:
        assert "465 and 587 get their own" in of_setting(name, OTHER, (3, 7), written=True).keep
    assert ON_25["kept, for port 25 alone"].options((3, 7), PEM) == (f"smtpd_tls_chain_files={PEM}",)  # type: ignore[union-attr]


def test_the_lines_to_paste_are_yaml_and_say_what_is_missing(host: inventory.Host, tmp_path: Path) -> None:
    """As they are printed they are read, and refused for what a person has to write; filled in they are taken."""
    places = (
        Difference(
            Place.main("smtpd_use_tls"),
            "yes",
            Effect.ASKS,
            "why",
            of_setting("smtpd_use_tls", "yes", (3, 7), written=False),
        ),
        Difference(
            Place.main("tls_ssl_options"), "x", Effect.ASKS, "why", Choices(replace="it is taken out: a # b")
        ),
        Difference(
            Place.master("[::1]:submission/inet"),
            "x",
            Effect.ASKS,
            "why",
            Choices(keep="it stays", replace="goes"),
        ),
    )
    block = decisions.block(places, host)
    pasted = YAML(typ="safe").load(str(block))["decisions"]
    assert [one["about"] for one in pasted] == [str(one.where) for one in places]
    assert [one["decide"] for one in pasted] == ["", "replace", ""]
    book = tmp_path / "site.yaml"
    text = (
        "site: {name: A, domain: example.test, ca: {passphrase: 'env:A'}}\nhosts:\n  mail1:\n    address: 192.0.2.1\n"
        "    names: {smtp: mail.example.test}\n    certificate: {key_passphrase: 'env:A'}\n"
    )
    book.write_text(text + textwrap.indent(block, "    "))
    with pytest.raises(InventoryError) as refused:
        inventory.load(str(book))
    assert str(refused.value).count("reason") >= 3
    answered = block.replace('decide: ""', "decide: keep").replace('reason: ""', "reason: tested")
    book.write_text(text + textwrap.indent(answered, "    "))
    assert len(inventory.load(str(book)).host("mail1").decisions) == 3


def test_on_a_host_what_cannot_go_together_is_refused_and_what_can_is_proved(
    lab: Lab, tmp_path: Path
) -> None:
    """A private certificate is kept on port 25, and with it the line of 587: live, it failed and was put back."""
    lab.reset(HOST, WITH_SASL)
    install(lab, HOST, PRIVATE, PRIVATE_ROOT)
    line = f"submission inet n - y - - smtpd {TLS[587]} -o smtpd_sasl_auth_enable=yes"
    lab.exec(HOST, f"echo '{line}' >> /etc/postfix/master.cf; postfix reload 2>/dev/null")
    keep = {f"main.cf, smtpd_tls_{name}_file": "keep" for name in ("cert", "key")}
    book = decided(lab, tmp_path, keep | {"master.cf, submission/inet": "keep"})
    before = lab.tree(HOST)
    with pytest.raises(ApplyRefused) as refused:
        applied(inventory=book)
    assert f"it lacks -o smtpd_tls_chain_files={PEM}" in str(refused.value)
    assert changed(before, lab.tree(HOST), AT_WORK) == []
    lab.exec(HOST, f"postconf -P submission/inet/smtpd_tls_chain_files={PEM} submission/inet/smtpd_tls_cert_file= "
             "submission/inet/smtpd_tls_key_file=; postfix reload 2>/dev/null")  # fmt: skip
    _, shown = applied(inventory=book)
    assert "passed" in shown[-1]
    assert (
        f"{TLS[587]} -o smtpd_sasl_auth_enable=yes" in lab.exec(HOST, "postconf -M submission/inet").decode()
    )
    told = runbook_with(book, "status", "--json", "--host", HOST)
    assert json.loads(told)["hosts"][HOST]["needs"] == []  # what was decided is no alarm


def runbook_with(book: str, *words: str) -> str:
    command = [str(RUNBOOK), *words, "--inventory", book]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
