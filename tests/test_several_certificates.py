"""A host's certificates, one a purpose: one entry is as it always was, and two are kept apart, without a host."""

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest
from command_line import runbook
from cryptography import x509
from mail_states import mail_state
from pki_samples import PASSPHRASE, csr, p256_key

from lab.state import CHECKOUT
from runbook_lib import inventory
from runbook_lib.afterwards import monitored
from runbook_lib.afterwards.monitored import Seen
from runbook_lib.afterwards.overview import End, Overview, PortShown, _needed
from runbook_lib.cli.status import _as_data, _table
from runbook_lib.errors import ApplyRefused, AuthorityError, InventoryError, UsageError
from runbook_lib.families.debian import DEBIAN
from runbook_lib.inventory.schema import schema
from runbook_lib.inventory.secrets import secrets_of
from runbook_lib.mail.configuration.mail_files import MailFiles
from runbook_lib.mail.target import pairs, postfix, services, sni
from runbook_lib.pki import authority, revocation, rollover
from runbook_lib.pki.ledger import Issuance, Ledger
from runbook_lib.remote.facts import Fact
from runbook_lib.remote.files import FileChange
from runbook_lib.remote.files import Seen as SeenFile
from runbook_lib.remote.runs import Standing
from runbook_lib.site_ca import issuers, issuing
from runbook_lib.site_ca.issuer import Asked
from runbook_lib.site_ca.standing import CaStanding

ONE = """\
site:
  name: Example
  domain: example.jp
  ca: {{passphrase: "env:CA_PASSPHRASE", directory: "{folder}/ca"}}
defaults:
  certificate:
    key_passphrase: env:KEY_PASSPHRASE
hosts:
  mail1:
    address: 192.0.2.25
    names: {{smtp: mail.example.jp, pop: pop.example.jp}}
"""
TWO = (
    ONE
    + """\
    further_certificates:
      mx: {{names: [mx.example.jp, mx2.example.jp], key_passphrase: "env:MX_PASSPHRASE"}}
"""
)
NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


def book(text: str, folder: Path) -> inventory.Inventory:
    return inventory.parse(folder / "site.yaml", text.format(folder=folder).encode())


def host(text: str, folder: Path) -> inventory.Host:
    return book(text, folder).host("mail1")


# The inventory.


def test_one_entry_is_the_host_itself_with_every_port(tmp_path: Path) -> None:
    found = host(ONE, tmp_path)
    assert found.by_certificate == (found,)
    assert found.by_certificate[0] is found
    assert found.purpose == "mail"
    assert found.certificate_ports == (25, 465, 587)
    assert found.every_name == ("mail.example.jp", "pop.example.jp")


def test_each_of_two_has_names_files_ports_and_a_secret_of_its_own(tmp_path: Path) -> None:
    site, found = book(TWO, tmp_path).site, host(TWO, tmp_path)
    mail, mx = found.by_certificate
    assert mail is found
    assert [(one.purpose, one.names.all, one.certificate_ports) for one in (mail, mx)] == [
        ("mail", ("mail.example.jp", "pop.example.jp"), (465, 587)),
        ("mx", ("mx.example.jp", "mx2.example.jp"), (25,)),
    ]
    files = [MailFiles.of(DEBIAN, one).all for one in (mail, mx)]
    assert len({path for each in files for path in each}) == 6
    assert files[1] == tuple(
        map(
            PurePosixPath,
            (
                "/etc/ssl/private/nopass_mx-server.key",
                "/etc/ssl/certs/mx-server.pem",
                "/etc/ssl/private/postfix_mx-server.pem",
            ),
        )
    )
    assert {one.field: one.reference for one in secrets_of(site, found)} == {
        "hosts.mail1.certificate.key_passphrase": "env:KEY_PASSPHRASE",
        "hosts.mail1.further_certificates.mx.key_passphrase": "env:MX_PASSPHRASE",
        "site.ca.passphrase": "env:CA_PASSPHRASE",
    }
    assert mx.by_certificate == (mx,)
    assert found.for_purpose("mx") == mx
    with pytest.raises(UsageError, match=r"mail1 has no certificate for 'imap'; it has mail, mx"):
        found.for_purpose("imap")


WRONG = [
    ("a purpose twice", "certificates:\n", "certificates:\n      mx: {{names: [a.example.jp]}}\n",
     r"site\.yaml:14:7: hosts\.mail1\.further_certificates\.mx is there twice \(first in line 13\)"),
    ("a purpose that Postfix cannot serve", "      mx:", "      imap:",
     r"hosts\.mail1\.further_certificates\.imap is not a field; expected one of mx"),
    ("no names", "names: [mx.example.jp, mx2.example.jp], ", "",
     r"further_certificates\.mx\.names is missing; expected a list .*for example names: \['mx\.example\.jp'\]"),
    ("a name in both", "mx2.example.jp", "pop.example.jp",
     r"hosts\.mail1 has pop\.example\.jp both in names and in further_certificates\.mx\.names; .*one of them"),
    ("a name twice", "mx2.example.jp", "mx.example.jp", r"mx\.names has mx\.example\.jp twice"),
    ("a file in both", "names: [mx", "csr_file: mail-server.key, names: [mx",
     r"hosts\.mail1 has the file mail-server\.key both for certificate and for further_certificates\.mx"),
    ("the joined file of the other", "names: [mx", "key_file: postfix_mail-server.pem, names: [mx",
     r"has the file postfix_mail-server\.pem both"),
    ("what a public CA returned beside the own one", "names: [mx", "signed_by: own CA, returned: [here], names: [mx",
     r"further_certificates\.mx has returned beside signed_by: own CA"),
    ("logins on 25", "    further", "    submission: {{auth_on_25: true}}\n    further",
     r"has submission\.auth_on_25 beside further_certificates\.mx: users who log in on port 25"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "instead", "told"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_what_cannot_be_is_refused_by_its_place(what: str, instead: str, told: str, tmp_path: Path) -> None:
    assert what in TWO
    with pytest.raises(InventoryError, match=told):
        book(TWO.replace(what, instead, 1), tmp_path)


def test_the_first_name_of_each_is_no_other_host_s(tmp_path: Path) -> None:
    other = "  mail2:\n    address: 192.0.2.26\n    names: {{smtp: mx.example.jp}}\n"
    with pytest.raises(InventoryError, match=r"mail2\.names\.smtp is that of hosts\.mail1 too"):
        book(TWO + other, tmp_path)


def test_the_block_of_the_documents_is_taken(tmp_path: Path) -> None:
    page = (CHECKOUT / "docs" / "your-own-servers.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\nhosts:\n  mail1:\n(.*?further_certificates.*?)```", page, re.DOTALL)
    begin = ONE[: ONE.index("    names: ")].format(folder=tmp_path)
    found = inventory.parse(tmp_path / "site.yaml", f"{begin}{block}".encode()).host("mail1")
    assert [one.names.smtp for one in found.by_certificate] == ["mail.example.jp", "mx.example.jp"]


def test_an_editor_is_told_of_it() -> None:
    definitions = schema()["$defs"]
    assert list(definitions["FurtherCertificates"]["properties"]) == ["mx"]
    assert "required" not in definitions["MxCertificate"]  # the defaults may have the rest


# The ledger.


def issuance(serial: str, purpose: str = "mail", days: int = 30) -> Issuance:
    names = ("mail.example.jp",) if purpose == "mail" else ("mx.example.jp",)
    end = NOW + timedelta(days=days)
    return Issuance(
        serial, "mail1", "run1", names, f"key of {purpose}", NOW, end, "-----BEGIN…", NOW, purpose=purpose
    )


def version(ledger: Ledger) -> int:
    with closing(sqlite3.connect(ledger.path)) as database:
        (found,) = database.execute("PRAGMA user_version").fetchone()
    return int(found)


def test_a_ledger_is_of_the_old_form_until_a_further_certificate_is_issued(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "ledger.sqlite3")
    ledger.record_issuance(issuance("0A"))
    assert version(ledger) == 2
    with closing(sqlite3.connect(ledger.path)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert "purposes" not in tables
    ledger.record_issuance(issuance("0B", "mx"))
    ledger.record_issuance(issuance("0C", "mx"))
    assert version(ledger) == 3
    assert [(one.serial, one.purpose) for one in ledger.issuances()] == [
        ("0A", "mail"),
        ("0B", "mx"),
        ("0C", "mx"),
    ]
    found = ledger.first_of_key("key of mx")
    assert found is not None
    assert (found.serial, found.purpose) == ("0B", "mx")
    with closing(sqlite3.connect(ledger.path)) as database:
        for statement in ("DELETE FROM purposes", "UPDATE purposes SET purpose = 'mail'"):
            with pytest.raises(sqlite3.IntegrityError, match="a purpose is never"):
                database.execute(statement)


def test_a_refused_purpose_leaves_no_issuance(tmp_path: Path) -> None:
    """Certificate and purpose are one transaction."""
    ledger = Ledger.create(tmp_path / "ledger.sqlite3")
    ledger.record_issuance(issuance("0B", "mx"))
    with pytest.raises(AuthorityError):
        ledger.record_issuance(issuance("0B", "mx"))
    assert len(ledger.issuances()) == 1


def test_the_newest_of_each_purpose_is_in_use() -> None:
    issued = [
        issuance("0A"),
        issuance("0B", "mx"),
        issuance("0C"),
        replace(issuance("0D", "mx"), withdrawn_at=NOW),
    ]
    assert [one.serial for one in rollover.in_use(issued, NOW)] == ["0C", "0B"]


def test_what_is_withdrawn_of_one_is_not_of_the_other(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "ledger.sqlite3")
    ledger.record_issuance(issuance("0A"))
    ledger.record_issuance(issuance("0B", "mx"))
    revocation.revoke(ledger, "0B", "privilegeWithdrawn", "run2", NOW)
    asked = (ledger, "mail1", ("mail.example.jp",), "key of mail")
    assert revocation.withdrawn_privilege(*asked) is None
    taken = revocation.withdrawn_privilege(ledger, "mail1", ("mx3.example.jp",), "a new key", purpose="mx")
    assert taken is not None
    assert 'further_certificates.mx.granted_again: "0B"' in revocation.taken_away(taken, "mx")
    assert revocation.withdrawn_privilege(ledger, "mail1", ("mx.example.jp",), "key of mail") == taken


# Signing: each by its own.


def leaf_there(folder: Path, seen: inventory.Host, days_ago: int) -> tuple[dict[str, Fact], bytes]:
    """The answers of a server whose certificate for one purpose was issued so many days ago."""
    ca = authority.open_ca(folder / "ca", PASSPHRASE)
    pem = csr(seen.names.all, seen.names.smtp, p256_key(seen.purpose))
    checked = ca.check_csr(pem, seen.names.all, "the CSR", host=seen.name, run="run1")
    issued = ca.issue(
        checked, seen.names.all, 365, host=seen.name, run="run1", purpose=seen.purpose,
        now=datetime.now(UTC) - timedelta(days=days_ago),
    )  # fmt: skip
    key = checked.public_key_sha256
    facts = {
        "public_key": Fact(key, 0),
        "key_is_there": Fact("", 0),
        "csr": Fact(pem.decode().strip(), 0),
        "certificate": Fact(issued.certificate_pem.decode().strip(), 0),
    }
    return facts, issued.certificate_pem


def asked_for(site: inventory.Site, seen: inventory.Host, said: dict[str, Fact]) -> Asked:
    """What an issuer is asked about one certificate, whose file is not there."""
    path, csr_path, key = (PurePosixPath(f"/{seen.purpose}.{end}") for end in ("pem", "csr", "key"))
    return Asked(site, seen, said, path, SeenFile("absent"), csr_path, key, "lab")


def test_only_the_one_that_ends_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CA_PASSPHRASE", PASSPHRASE.reveal())
    found = book(TWO, tmp_path)
    long_ago = datetime.now(UTC) - timedelta(days=360)
    authority.create(tmp_path / "ca", PASSPHRASE, "Example mail CA", 3650, now=long_ago)
    mail, mx = found.host("mail1").by_certificate
    old, _ = leaf_there(tmp_path, mx, 350)
    new, _ = leaf_there(tmp_path, mail, 1)
    ledger = authority.open_ledger(tmp_path / "ca")
    asked = [asked_for(found.site, one, said) for one, said in ((mail, new), (mx, old))]
    plans = [issuers.propose(one).plan for one in asked]
    assert [len(plan.changes) for plan in plans] == [0, 1]
    change = plans[1].changes[0]
    assert isinstance(change, issuing.CertificateToIssue)
    assert change.names == ("mx.example.jp", "mx2.example.jp")
    assert "runbook ca sign --host mail1 --purpose mx --inventory lab" in change.commands()
    ready, (told,) = issuers.issue(plans[1], asked[1], "run2")
    (made,) = ready.changes
    assert isinstance(made, FileChange)
    assert "for mx.example.jp, mx2.example.jp, valid to" in told
    assert [(one.purpose, one.run) for one in ledger.issuances()] == [
        ("mx", "run1"), ("mail", "run1"), ("mx", "run2"),
    ]  # fmt: skip
    leaf = x509.load_pem_x509_certificate(made.after.content or b"")
    sans = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sans.get_values_for_type(x509.DNSName) == ["mx.example.jp", "mx2.example.jp"]


def test_each_comes_from_its_own_issuer_in_one_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A public CA has the users' one to sign, and the own CA that of port 25: neither touches the other's."""
    monkeypatch.setenv("CA_PASSPHRASE", PASSPHRASE.reveal())
    found = book(f"{TWO}    certificate: {{{{signed_by: public CA}}}}\n", tmp_path)
    long_ago = datetime.now(UTC) - timedelta(days=360)
    authority.create(tmp_path / "ca", PASSPHRASE, "Example mail CA", 3650, now=long_ago)
    mail, mx = found.host("mail1").by_certificate
    asked = [asked_for(found.site, one, leaf_there(tmp_path, one, 350)[0]) for one in (mail, mx)]
    of_mail, of_mx = (issuers.propose(one).plan for one in asked)
    plan = of_mail.with_more(of_mx)
    assert [str(one.change.thing) for one in plan.withheld] == ["/mail.pem"]
    assert [(type(one), one.thing) for one in plan.changes] == [(issuing.CertificateToIssue, "/mx.pem")]
    with pytest.raises(ApplyRefused, match="the certificate has to come from a public CA"):
        issuers.issue(plan, asked[0], "run2")
    ready, _ = issuers.issue(plan, asked[1], "run2")
    assert [(type(one), one.thing) for one in ready.changes] == [(FileChange, "/mx.pem")]
    assert ready.withheld == plan.withheld
    issued = authority.open_ledger(tmp_path / "ca").issuances()
    assert [(one.purpose, one.run) for one in issued] == [("mail", "run1"), ("mx", "run1"), ("mx", "run2")]
    assert issuers.withdraw(found.site, "mail1", "run2", ()) == 1


def test_what_a_public_ca_is_to_sign_for_port_25_is_ordered_by_its_own_words(tmp_path: Path) -> None:
    of_public = TWO.replace("mx: {{", "mx: {{signed_by: public CA, ")
    found = book(of_public, tmp_path)
    _, mx = found.host("mail1").by_certificate
    assert (mx.certificate.signed_by, mx.certificate.is_public) == ("public CA", True)
    no_answer = dict.fromkeys(("public_key", "key_is_there", "csr", "certificate"), Fact("", 1))
    (order,) = issuers.propose(asked_for(found.site, mx, no_answer)).plan.withheld
    commands = order.change.commands()
    assert "runbook csr mail1 --purpose mx --inventory lab > mail1-mx.csr" in commands
    assert "runbook certificate check FILE... --host mail1 --purpose mx" in commands
    assert "further_certificates.mx.returned: [FILE, ...]" in commands
    returned = TWO.replace("mx: {{", "mx: {{returned: [mx.zip], also_named: [www.example.jp], ")
    values = host(returned, tmp_path).for_purpose("mx").certificate
    assert (values.returned, values.is_public) == ((str(tmp_path / "mx.zip"),), True)


# Chapter 2.

BARE = dict.fromkeys(
    ("key_public", "certificate_public", "certificate_serial", "joined_wanted", "expanded"), ""
)


@pytest.mark.parametrize(
    ("postfix_version", "of_main", "of_services"),
    [
        ("3.7.11", {"smtpd_tls_chain_files"}, {"smtpd_tls_chain_files"}),
        (
            "2.10.10",
            {"smtpd_tls_cert_file", "smtpd_tls_key_file"},
            {"smtpd_tls_cert_file", "smtpd_tls_key_file"},
        ),
    ],
)
def test_main_cf_has_that_of_25_and_each_submission_service_its_own(
    postfix_version: str, of_main: set[str], of_services: set[str], tmp_path: Path
) -> None:
    state = mail_state({}, more={"mail_version": postfix_version, **BARE}, host=host(TWO, tmp_path))
    entries = {one.name: one.after for one in postfix.settings(state)}
    assert {entries[name] for name in of_main} == {"/etc/ssl/private/postfix_mx-server.pem"}
    for line in services.services(state):
        options = set((line.after or "").split(" -o "))
        assert {f"{name}=/etc/ssl/private/postfix_mail-server.pem" for name in of_services} <= options
    alone = mail_state({}, more={"mail_version": postfix_version, **BARE}, host=host(ONE, tmp_path))
    assert not any("smtpd_tls_c" in (line.after or "") for line in services.services(alone))
    entries = {one.name: one.after for one in postfix.settings(alone)}
    assert {entries[name] for name in of_main} == {"/etc/ssl/private/postfix_mail-server.pem"}


def test_a_line_that_an_administrator_keeps_has_to_show_the_users_one(tmp_path: Path) -> None:
    line = "submission inet n - y - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes"
    lines: dict[str, tuple[str, ...]] = {"submission/inet": (line,)}
    more = dict(BARE)
    two = mail_state({}, lines, more=more, host=host(TWO, tmp_path))
    lacks = services.why_not_kept(587, (line,), two)
    assert "port 25 has a certificate of its own, and the line would show that one" in str(lacks)
    good = f"{line} -o smtpd_tls_chain_files=/etc/ssl/private/postfix_mail-server.pem"
    assert services.why_not_kept(587, (good,), two) == ""
    assert (
        services.why_not_kept(587, (line,), mail_state({}, lines, more=more, host=host(ONE, tmp_path))) == ""
    )


def test_each_pair_is_compared_and_each_name_has_its_own_in_a_table(tmp_path: Path) -> None:
    more = {
        "key_public": "a", "certificate_public": "a", "certificate_serial": "0A",
        "mx: key_public": "b", "mx: certificate_public": "c", "mx: certificate_serial": "0B",
        "chosen_by_name": "mx.example.jp mx.example.jp hash:/t 0A\nmail.example.jp mail.example.jp hash:/t 0A",
    }  # fmt: skip
    state = mail_state({"tls_server_sni_maps": "hash:/t"}, more=more, host=host(TWO, tmp_path))
    assert [pairs.ours_fit(one) for one in state.by_certificate] == [True, False]
    with pytest.raises(Exception, match=r"nopass_mx-server\.key .*does not fit .*mx-server\.pem"):
        pairs.check(state)
    ruling = sni.rulings(state)["tls_server_sni_maps"]
    assert not ruling.kept
    assert "mx.example.jp (hash:/t)" in str(ruling.why)
    assert "mail.example.jp" not in str(ruling.why)


# Status.

END = End("server certificate", "2027-01-29T12:00:00+00:00", 60)
MX_END = End("server certificate (mx)", "2026-12-11T12:00:00+00:00", 10)
PORTS = (
    PortShown(25, "0B", ("0B",), "", "", (MX_END,), reads_ours=True, purpose="mx"),
    PortShown(465, "0A", ("0A",), "", "", (END,), reads_ours=True),
)
OVERVIEW = Overview("mail1", Standing("", False, ()), PORTS, "0A", (), 30, (), {"mx": "0B"}, {"mx": 7})
ALONE = Overview("mail1", Standing("", False, ()), PORTS[1:], "0A", (), 30, ())
NO_CA = CaStanding((), (), ())


def test_each_has_its_end_in_the_table_for_nagios_and_for_prometheus() -> None:
    seen = Seen((OVERVIEW,), {}, NO_CA)
    rows = [line.split() for line in _table(seen.hosts, NO_CA).text().splitlines()]
    assert ["mail1", "2027-01-29", "(60", "days)", "server", "certificate", "465", "none", "nothing"] in rows
    assert ["mail1", "(mx)", "2026-12-11", "(10", "days)", "server", "certificate", "(mx)", "25"] in rows
    _, line = monitored.nagios(seen, critical_days=5)
    assert "'mail1 days'=60;30:;5: 'mail1 mx days'=10;7:;5:" in line
    assert 'certificate="server certificate (mx)"' in monitored.prometheus(seen, NOW)
    data = json.loads(json.dumps(_as_data(OVERVIEW), default=asdict))
    assert [port["purpose"] for port in data["ports"]] == ["mx", "mail"]
    assert data["further_serials"] == {"mx": "0B"}


def test_of_one_certificate_nothing_is_told_anew() -> None:
    seen = Seen((ALONE,), {}, NO_CA)
    told = json.dumps(_as_data(ALONE), default=asdict)
    assert "purpose" not in told
    assert "told_for" not in told
    assert "further" not in told
    assert "'mail1 days'=60;30:;5: " in monitored.nagios(seen, 5)[1]
    assert "mx" not in monitored.nagios(seen, 5)[1] + _table(seen.hosts, NO_CA).text()


def test_each_is_due_by_its_own_days_and_compared_with_its_own_file() -> None:
    standing = OVERVIEW.standing

    def told(ports: tuple[PortShown, ...], days: dict[str, int]) -> str:
        needs = _needed(standing, ports, {"mail": "0A", "mx": "0B"}, (), days, "runbook apply")
        return "\n".join(need.what for need in needs)

    assert told(PORTS, {"mail": 30, "mx": 7}) == ""
    assert "server certificate (mx) ends in 10 days" in told(PORTS, {"mail": 30, "mx": 30})
    assert "server certificate ends" not in told(PORTS, {"mail": 30, "mx": 30})
    other = (replace(PORTS[1], serial="0B", on_disk=("0B",), reads_ours=False, told_for="mx"),)
    assert told(other, {"mail": 30}) == (
        "port 465 is told the certificate for mx in place of the one for mail: runbook apply gives it its own"
    )


def test_ca_sign_knows_no_purpose_that_the_host_has_not(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(ONE.format(folder=tmp_path), encoding="utf-8")
    done = runbook("ca", "sign", "--host", "mail1", "--purpose", "mx", "--inventory", path)
    assert done.returncode == 2
    assert "mail1 has no certificate for 'mx'; it has mail" in done.stderr
    assert not (tmp_path / "ca").exists()
