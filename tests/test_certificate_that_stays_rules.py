"""What counts as a reason that a certificate stays, and what follows: by files on a real host, and by values."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType, SimpleNamespace

import certificates_on_25 as samples
import probes_dns
import pytest
from certificates_on_25 import (
    NAMES,
    PRIVATE,
    PRIVATE_ROOT,
    PUBLIC,
    PUBLIC_INTERMEDIATE,
    install,
    trusted,
    written,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from probes_certificates import make
from trees import AT_WORK, changed

from lab import Lab
from runbook_lib import inventory
from runbook_lib.chapters import port_25, postfix
from runbook_lib.chapters.opening import open_host
from runbook_lib.errors import ApplyRefused, CommandFailed
from runbook_lib.families.debian import DEBIAN
from runbook_lib.mail.certificates import configured, mta_sts, on_port_25
from runbook_lib.mail.certificates.configured import CertificateFile, ConfiguredCertificate
from runbook_lib.mail.certificates.on_port_25 import CertificateOnPort25
from runbook_lib.mail.certificates.pins import Pins
from runbook_lib.mail.probes.tlsa import is_match
from runbook_lib.mail.target import wanted
from runbook_lib.remote.facts import Fact
from runbook_lib.x509.certificate import public_key_sha256

pytestmark = pytest.mark.usefixtures("as_a_batch")

HOST = "debian12"
PEM = PurePosixPath("/etc/ssl/private/postfix_mail-server.pem")

# Stand-ins for runs of the programs: their files, with a certificate that main.cf names or a hook has copied.
ACME_SH = "mkdir -p /root/.acme.sh/mail_ecc; cd /root/.acme.sh/mail_ecc; "
RENEWALS: dict[str, tuple[str, str]] = {
    "certbot, and a hook copied it": (
        "mkdir -p /etc/letsencrypt/live/m /etc/letsencrypt/renewal; cp {certificate} /etc/letsencrypt/live/m/cert.pem;"
        "echo 'cert = /etc/letsencrypt/live/m/cert.pem' > /etc/letsencrypt/renewal/m.conf",
        "certbot renews it (/etc/letsencrypt/renewal/m.conf)",
    ),
    "acme.sh, which installs it here": (
        f"{ACME_SH}printf '%s\\n' \"Le_Domain='m'\" \"Le_RealFullChainPath='{{certificate}}'\" > m.conf",
        "acme.sh renews it (/root/.acme.sh/mail_ecc/m.conf)",
    ),
    "acme.sh, and a deploy hook copied it": (
        f"{ACME_SH}printf '%s\\n' \"Le_Domain='m'\" > m.conf; cp {{certificate}} fullchain.cer",
        "acme.sh renews it (/root/.acme.sh/mail_ecc/m.conf)",
    ),
    "lego, from its own folder": (
        "mkdir -p /srv/lego/certificates; cd /srv/lego/certificates; cp {certificate} m.crt; cp {key} m.key;"
        'echo \'{{"domain": "m", "certUrl": "https://ca.example/1"}}\' > m.json;'
        "postconf -e smtpd_tls_cert_file=$PWD/m.crt smtpd_tls_key_file=$PWD/m.key",
        "lego renews it (/srv/lego/certificates/m.json)",
    ),
    "certmonger": (
        "mkdir -p /var/lib/certmonger/requests; printf '%s\\n' id=1 cert_storage_type=FILE "
        "cert_storage_location={certificate} > /var/lib/certmonger/requests/1",
        "certmonger renews it (/var/lib/certmonger/requests/1)",
    ),
}


@pytest.fixture(scope="module")
def private(lab: Lab) -> str:
    """Postfix just installed, and a certificate of a private CA by which nobody goes; kept for this module."""
    lab.reset(HOST, "fresh")
    install(lab, HOST, PRIVATE, PRIVATE_ROOT)
    lab.keep(HOST, "private-certificate")
    return "private-certificate"


def on_25() -> CertificateOnPort25 | None:
    return port_25.look(open_host("20-postfix-debian", frozenset(), "lab", HOST, "plan", ""))


@pytest.mark.parametrize(("files", "reason"), RENEWALS.values(), ids=RENEWALS)
def test_a_renewal_program_is_known_by_its_files(lab: Lab, private: str, files: str, reason: str) -> None:
    lab.reset(HOST, private)
    place = samples.PLACE
    lab.exec(HOST, files.format(certificate=f"{place}/cert.pem", key=f"{place}/key.pem"))
    there = on_25()
    assert there is not None
    assert there.reasons == (reason,)
    assert not there.serves


def test_the_plan_of_chapter_2_says_why_it_stays_and_touches_nothing_of_it(lab: Lab, private: str) -> None:
    lab.reset(HOST, private)
    files, reason = RENEWALS["certmonger"]
    lab.exec(HOST, files.format(certificate=f"{samples.PLACE}/cert.pem"))
    before = lab.tree(HOST)
    chapter = postfix.open("lab", HOST, "plan")
    rows = [line for line in chapter.differences().text().splitlines() if "smtpd_tls_" in line]
    assert ["stays" in row and reason in row for row in rows] == [True, True]
    assert not {name for name in configured.ENTRIES if name in chapter.plan_settings().text()}
    assert chapter.plan_services().text().count(f"-o smtpd_tls_chain_files={PEM}") == 2
    assert reason in chapter.record.data.facts["certificate_stays"]
    assert changed(before, lab.tree(HOST), AT_WORK) == []


def test_renewals_of_other_certificates_are_no_reason_and_a_person_decides(lab: Lab, private: str) -> None:
    lab.reset(HOST, private)
    lab.exec(HOST, "mkdir -p /etc/letsencrypt/live/w /etc/letsencrypt/renewal; cd /etc/letsencrypt")
    lab.exec(HOST, written("/etc/letsencrypt/live/w/cert.pem", PUBLIC.pem))
    lab.exec(HOST, "echo 'cert = /etc/letsencrypt/live/w/cert.pem' > /etc/letsencrypt/renewal/w.conf")
    there = on_25()
    assert there is not None
    assert (there.reasons, there.stays) == ((), False)
    chapter = postfix.open("lab", HOST, "apply", "")
    rows = [line for line in chapter.differences().text().splitlines() if "smtpd_tls_" in line]
    assert ["you decide" in row for row in rows] == [True, True]
    with pytest.raises(ApplyRefused, match="a person has to decide"):
        chapter.apply(chapter.plan_packages())


def test_a_silent_dns_server_is_not_the_same_as_no_pin(lab: Lab, tmp_path: Path) -> None:
    """Not even the package's certificate is replaced before it is known that nothing pins it."""
    lab.reset(HOST, "fresh")
    book = tmp_path / "silent.yaml"
    text = lab.inventory.read_text(encoding="utf-8")
    book.write_text(
        text.replace(f"resolver: {lab.network.gateway4}", f"resolver: {probes_dns.ADDRESS}"), "utf-8"
    )
    with probes_dns.answering({}, silent=True):
        told = postfix.open(str(book), HOST, "plan").differences().text()
    row = next(line for line in told.splitlines() if "smtpd_tls_cert_file" in line)
    assert "you decide" in row
    assert "whether it is pinned is not known: the MX of example.test: the DNS server does not answer" in row


def test_what_the_package_made_is_replaced_unless_something_pins_it(lab: Lab) -> None:
    lab.reset(HOST, "fresh")
    there = on_25()
    assert there is not None
    assert (there.of_package, there.stays, there.is_unknown) == (True, False, False)
    digest = hashlib.sha256(there.leaf.public_bytes(Encoding.DER)).hexdigest()
    with lab.also_in_dns(f"dns-rr=_25._tcp.mail12.example.test,52,030001{digest}"):
        pinned = on_25()
    assert pinned is not None
    assert pinned.reasons == ("TLSA pins it (_25._tcp.mail12.example.test)",)


def test_a_web_server_that_nobody_vouches_for_has_no_policy_to_tell(
    lab: Lab, private: str, tmp_path: Path
) -> None:
    lab.reset(HOST, private)
    web = make("mta-sts.example.test", PRIVATE_ROOT, ("mta-sts.example.test",))
    with samples.policy_of_domain(lab, "version: STSv1\nmode: enforce\nmx: *.example.test\n", web, tmp_path):
        there = on_25()
    assert there is not None
    assert there.reasons == ()
    assert "MTA-STS of example.test: mta-sts.example.test does not hand it out" in there.unanswered[0]
    assert there.is_unknown


POLICY = "version: STSv1\nmode: {mode}\nmx: mail.example.jp\nmx: *.example.net\nmax_age: 604800\n"


@pytest.mark.parametrize(
    ("mode", "name", "covered"),
    [
        ("enforce", "mail.example.jp", True),
        ("testing", "mail.example.jp", True),
        ("none", "mail.example.jp", False),
        ("enforce", "mx.example.net", True),
        ("enforce", "a.mx.example.net", False),
        ("enforce", "other.example.jp", False),
    ],
)
def test_a_policy_covers_its_mx_hosts(mode: str, name: str, covered: bool) -> None:
    assert mta_sts.parse(POLICY.format(mode=mode)).covers(name) is covered


@pytest.mark.parametrize(
    "text", ["", "version: STSv2\nmode: enforce\n", "<html>", "version: STSv1\nmode: strict\n"]
)
def test_other_text_is_no_policy(text: str) -> None:
    with pytest.raises(mta_sts.Unanswered, match="no policy of version STSv1"):
        mta_sts.parse(text)


LEAF_DER = PUBLIC.certificate.public_bytes(Encoding.DER)
LEAF_KEY = PUBLIC.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
CA_DER = PUBLIC_INTERMEDIATE.certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("usage", "selector", "mtype", "data", "matches"),
    [
        (3, 1, 1, hashlib.sha256(LEAF_KEY).digest(), True),
        (3, 0, 1, hashlib.sha256(LEAF_DER).digest(), True),
        (3, 1, 2, hashlib.sha512(LEAF_KEY).digest(), True),
        (3, 0, 0, LEAF_DER, True),
        (1, 1, 1, hashlib.sha256(LEAF_KEY).digest(), True),
        (2, 0, 1, hashlib.sha256(CA_DER).digest(), True),
        (3, 0, 1, hashlib.sha256(CA_DER).digest(), False),
        (3, 1, 1, hashlib.sha256(LEAF_DER).digest(), False),
        (255, 1, 1, hashlib.sha256(LEAF_KEY).digest(), False),
        (3, 1, 9, LEAF_KEY, False),
    ],
    ids=range(10),  # the data are new in each process, and pytest-xdist compares names
)
def test_a_tlsa_record_matches_as_rfc_6698_says(
    usage: int, selector: int, mtype: int, data: bytes, matches: bool
) -> None:
    record = SimpleNamespace(usage=usage, selector=selector, mtype=mtype, cert=data)
    assert is_match(record, (PUBLIC.certificate, PUBLIC_INTERMEDIATE.certificate)) is matches


def found(entries: Mapping[str, str]) -> ConfiguredCertificate:
    path = PurePosixPath("/etc/ssl/m.pem")
    key = public_key_sha256(PUBLIC.certificate)
    # A second certificate in the file is an intermediate, wherever it stands.
    certificates = (PUBLIC_INTERMEDIATE.certificate, PUBLIC.certificate)
    return ConfiguredCertificate(
        entries, (CertificateFile(path, path, "600 root:root", key, certificates),), ()
    )


def judged(
    untrusted: str = "", names: tuple[str, ...] = NAMES, entries: Mapping[str, str] = MappingProxyType({})
) -> CertificateOnPort25:
    pinned = Pins(("TLSA pins it",))
    return on_port_25.judge(found(entries), pinned, untrusted, names, of_package=False)


LEGACY = {"smtpd_tls_cert_file": "/m.pem", "smtpd_tls_eccert_file": "/e.pem"}


@pytest.mark.parametrize(
    ("there", "version", "options"),
    [
        (judged(), (3, 7), ()),
        (judged("private"), (3, 7), (f"smtpd_tls_chain_files={PEM}",)),
        (
            judged("private", entries=LEGACY),
            (3, 7),
            (f"smtpd_tls_chain_files={PEM}", "smtpd_tls_cert_file=", "smtpd_tls_eccert_file="),
        ),
        (
            judged("private", entries=LEGACY),
            (3, 3),
            (f"smtpd_tls_cert_file={PEM}", f"smtpd_tls_key_file={PEM}", "smtpd_tls_eccert_file="),
        ),
        (replace(judged("private"), reasons=()), (3, 7), ()),
    ],
    ids=["serves", "private", "legacy entries", "before 3.4", "nothing holds it"],
)
def test_submission_shows_its_own_by_options_where_port_25_keeps_another(
    there: CertificateOnPort25, version: tuple[int, int], options: tuple[str, ...]
) -> None:
    assert there.options(version, PEM) == options
    assert all(" " not in option for option in options)


def test_a_certificate_serves_submission_where_it_is_public_and_has_every_name() -> None:
    assert judged().serves
    assert (
        judged(names=("mail12.example.test", "mail.elsewhere.test")).unfit == "it lacks mail.elsewhere.test"
    )
    assert "do not trust that one (private)" in judged("private").unfit
    assert judged().leaf == PUBLIC.certificate


@pytest.mark.parametrize(
    ("version", "entries"),
    [((3, 10), configured.ENTRIES[:3]), ((3, 3), configured.LEGACY[:2])],
    ids=["3.10", "3.3"],
)
def test_no_entry_about_a_certificate_is_written_where_one_stays(
    lab: Lab, version: tuple[int, int], entries: tuple[str, ...]
) -> None:
    host = inventory.load(str(lab.inventory)).host(HOST)
    own = {entry.name for entry in wanted.settings(version, DEBIAN.releases["12"], host, PEM)}
    others = {
        entry.name
        for entry in wanted.settings(version, DEBIAN.releases["12"], host, PEM, own_certificate=False)
    }
    assert own - others == set(entries)
    assert others < own


def test_a_look_that_was_cut_short_is_no_answer() -> None:
    facts = {"certificate_entries": Fact("", 0), "certificate_files": Fact("", 124)}
    with pytest.raises(CommandFailed, match="could not be seen"):
        configured.read(facts, HOST)


def test_a_public_root_is_one_that_this_machine_trusts(lab: Lab, private: str, tmp_path: Path) -> None:
    lab.reset(HOST, private)
    here = on_25()
    assert here is not None
    assert "no public root leads to its issuer CN=A private root (test)" in here.unfit
    with trusted(PRIVATE_ROOT, tmp_path):
        there = on_25()
    assert there is not None
    assert (there.reasons, there.serves) == (("it validates against the public roots",), True)
