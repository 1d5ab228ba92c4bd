"""A certificate on port 25 that others rely on is never replaced by the own CA's.

Each test here is a mail server in such a state, with all three chapters on it: applied, applied again, put back. What
port 25 shows is asked by a handshake.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import certificates_on_25 as samples
import pytest
from applied_host import run_cells, run_chapters, runbook
from certificates_on_25 import (
    NAMES,
    PRIVATE,
    PUBLIC,
    PUBLIC_INTERMEDIATE,
    PUBLIC_ROOT,
    der,
    install,
    shown,
    trusted,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from decided import decided
from probes_certificates import Pair, make
from trees import AT_WORK, MAY_DIFFER, changed

from lab import Lab, Prepared
from runbook_lib.chapters import postfix, verification
from runbook_lib.chapters.asking import survey_of
from runbook_lib.chapters.verification import Verification
from runbook_lib.errors import ApplyRefused
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Survey
from runbook_lib.pki import certificate
from runbook_lib.site_ca import own_ca

pytestmark = pytest.mark.usefixtures("as_a_batch")

HOST = "debian12"
SUBMISSION = (465, 587)
TAKEN_UP = "systemctl restart postfix"
SOCKET_DIRECTORY = "/var/spool/postfix/var"  # saslauthd's start script makes it, and nobody unmakes it


# Postfix just installed, and chapter 2's packages, so that no test fetches them.
INSTALL = "apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq -y install"
WITH_PACKAGES = Prepared(
    "with-packages", "fresh", script=f"{INSTALL} sasl2-bin libsasl2-modules >/dev/null 2>&1"
)


def shown_on(lab: Lab, *ports: int) -> set[bytes]:
    return {shown(lab.host(HOST).address, port) for port in ports}


def is_of_own_ca(opened: Verification, leaf: bytes) -> bool:
    root = own_ca.certificate(opened.opened.inventory.site)
    return root is not None and certificate.is_issued_by(
        certificate.load(samples.pem(leaf), "shown"), certificate.load(root, "the own CA")
    )


@contextlib.contextmanager
def kept_through_all_chapters(lab: Lab, pair: Pair, *, serves: bool) -> Iterator[list[str]]:
    """Apply, apply again, put back; between the last two the test may look, too. The summaries of the first."""
    before, address = lab.tree(HOST), lab.host(HOST).address
    entries = lab.exec(HOST, samples.ENTRIES)
    run, summaries = run_chapters(HOST)
    assert [("passed" in summary) for summary in summaries] == [True] * 3
    assert shown(address, 25) == der(pair)
    assert lab.exec(HOST, samples.ENTRIES) == entries
    asked = verification.open("lab", HOST)
    assert isinstance(asked, verification.Verification)
    submission = shown_on(lab, *SUBMISSION)
    if serves:
        assert submission == {der(pair)}
        assert ["nothing to do" in summary for summary in summaries] == [True, True, False]
    else:
        assert len(submission) == 1
        assert is_of_own_ca(asked, submission.pop())
    for claim in (probes.chain_validates, probes.serial_on_each_port, probes.names_covered):
        asked.ask(claim)
    assert {row.verdict for row in asked._rows} == {probes.Verdict.PASS}
    assert (
        lab.exec(HOST, "journalctl --no-pager -g 'Both smtpd_tls_chain_files' | grep -c smtpd || :") == b"0\n"
    )

    applied = lab.tree(HOST)
    _, again = run_chapters(HOST)
    assert ["nothing to do" in summary for summary in again] == [True] * 3
    assert changed(applied, lab.tree(HOST), AT_WORK) == []
    yield summaries

    journal = lab.exec(HOST, "ls -r /var/lib/runbook").decode().split()
    assert run == journal[-1]
    for later in journal:  # the newest first, as runs go back
        done = runbook("rollback", later, "--host", HOST)
        assert done.returncode == 0, done.stdout + done.stderr
    assert changed(before, lab.tree(HOST), (*MAY_DIFFER, SOCKET_DIRECTORY)) == []
    assert shown(address, 25) == der(pair)


def ports_that_fail(survey: Survey, other: Pair) -> set[int | None]:
    """Ports where another certificate is shown than the one that is to stay."""
    assert survey.target.kept is not None
    expected = replace(survey.target, kept=replace(survey.target.kept, leaves=(other.certificate,)))
    rows = [
        row
        for claim in (probes.chain_validates, probes.serial_on_each_port)
        for row in claim(Survey(expected))
    ]
    wrong = [row for row in rows if row.verdict is probes.Verdict.FAIL]
    assert {row.seen for row in wrong} == {"another certificate than the one that stays"}
    assert len(wrong) == 4  # two claims, two address families
    return {row.port for row in wrong}


def test_one_that_validates_against_public_roots(lab: Lab, tmp_path: Path) -> None:
    """It lacks the POP name, so that the submission services have their own."""
    lab.reset(HOST, WITH_PACKAGES)
    public = make(NAMES[0], PUBLIC_INTERMEDIATE, NAMES[:1])
    install(lab, HOST, public, PUBLIC_INTERMEDIATE)
    before = lab.tree(HOST)
    with trusted(PUBLIC_ROOT, tmp_path):
        run_chapters(HOST, mode="plan")
    assert changed(before, lab.tree(HOST), AT_WORK) == []
    with trusted(PUBLIC_ROOT, tmp_path), kept_through_all_chapters(lab, public, serves=False):
        options = lab.exec(HOST, "postconf -P '*/inet/smtpd_tls_chain_files'").decode()
        assert options.count("= /etc/ssl/private/postfix_mail-server.pem") == 2


def test_one_that_certbot_renews_serves_submission_too_and_is_read_when_it_is_renewed(
    lab: Lab, tmp_path: Path
) -> None:
    lab.reset(HOST, WITH_PACKAGES)
    samples.by_certbot(lab, HOST, 1, PUBLIC, PUBLIC_INTERMEDIATE)
    renewed = make(NAMES[0], PUBLIC_INTERMEDIATE, NAMES)
    with trusted(PUBLIC_ROOT, tmp_path), kept_through_all_chapters(lab, PUBLIC, serves=True):
        assert lab.exec(HOST, "ls /etc/ssl/private") == b"ssl-cert-snakeoil.key\n"
        samples.by_certbot(lab, HOST, 2, renewed, PUBLIC_INTERMEDIATE)
        assert shown_on(lab, 25, *SUBMISSION) == {der(renewed)}
        _, (summary,) = run_chapters(HOST, chapters=("20-postfix-debian",))
        assert "nothing to do" in summary
        pages = [repr(one) for one in run_cells("31-windows-live-mail", host=HOST)]
        assert any("Nothing to import" in page for page in pages)
        assert not any("-ca.cer" in page for page in pages)
        assert not any("there is no CA" in page for page in pages)
        # Renewed again, and nobody reloads; a process that read the old file goes on with it.
        again = make(NAMES[0], PUBLIC_INTERMEDIATE, NAMES)
        samples.by_certbot(lab, HOST, 3, again, PUBLIC_INTERMEDIATE, taken_up=False)
        assert shown_on(lab, 25, *SUBMISSION) == {der(renewed)}
        _, (summary,) = run_chapters(HOST, chapters=("20-postfix-debian",))
        assert "1 change made" in summary
        assert shown_on(lab, 25, *SUBMISSION) == {der(again)}
        _, (summary,) = run_chapters(HOST, chapters=("20-postfix-debian",))
        assert "nothing to do" in summary
        samples.by_certbot(lab, HOST, 1, PUBLIC, PUBLIC_INTERMEDIATE)
        lab.exec(HOST, "rm /etc/letsencrypt/archive/mail/*[23].pem")


def test_one_that_is_pinned_by_tlsa(lab: Lab) -> None:
    lab.reset(HOST, WITH_PACKAGES)
    pinned = make(NAMES[0], None, NAMES)
    install(lab, HOST, pinned)
    spki = pinned.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = f"dns-rr=_25._tcp.{NAMES[0]},52,030101{hashlib.sha256(spki).hexdigest()}"
    with lab.also_in_dns(record), kept_through_all_chapters(lab, pinned, serves=False):
        asked = verification.open("lab", HOST)
        assert isinstance(asked, verification.Verification)
        assert f"TLSA pins it (_25._tcp.{NAMES[0]})" in repr(asked.ask(probes.chain_validates))
        assert ports_that_fail(survey_of(asked.opened), other=PUBLIC) == {25}


def test_one_that_mta_sts_speaks_of(lab: Lab, tmp_path: Path) -> None:
    lab.reset(HOST, WITH_PACKAGES)
    install(lab, HOST, PRIVATE)
    policy = f"version: STSv1\r\nmode: enforce\r\nmx: {NAMES[0]}\r\nmx: *.example.test\r\nmax_age: 86400\r\n"
    web = make("mta-sts.example.test", PUBLIC_ROOT, ("mta-sts.example.test",))
    with (
        trusted(PUBLIC_ROOT, tmp_path),
        samples.policy_of_domain(lab, policy, web, tmp_path),
        kept_through_all_chapters(lab, PRIVATE, serves=False),
    ):
        pass


def test_a_file_whose_first_certificate_is_an_intermediate_cannot_be_kept(lab: Lab, tmp_path: Path) -> None:
    """Postfix turns TLS off with it: chapter 0 says so, and apply is refused before a change, decided or not."""
    lab.reset(HOST, WITH_PACKAGES)
    lower = make("A private intermediate (test)", samples.PRIVATE_ROOT)
    private = make(NAMES[0], lower, NAMES)
    place, name = "/etc/ssl/own.pem", "main.cf, smtpd_tls_chain_files"
    asked = "openssl s_client -connect localhost:25 -starttls smtp 2>&1 </dev/null | grep -c 'subject=' || :"
    lab.exec(
        HOST, f"postconf -X smtpd_tls_cert_file smtpd_tls_key_file; postconf -e smtpd_tls_chain_files={place}"
    )
    for pair, above in ((private, lower), (PUBLIC, PUBLIC_INTERMEDIATE)):
        lab.exec(
            HOST,
            samples.written(place, pair.key_pem + above.pem + pair.pem) + f"chmod 600 {place}\n{TAKEN_UP}",
        )
        assert lab.exec(HOST, asked) == b"0\n"
        before = lab.tree(HOST)
        with trusted(PUBLIC_ROOT, tmp_path):
            preparation = "\n".join(
                one.text() for one in run_cells("00-preparation", host=HOST) if one is not None
            )
            assert (
                f"the first certificate in {place} ({above.certificate.subject.rfc4514_string()})"
                in preparation
            )
            assert "port 25 goes on showing this certificate" not in preparation
            for decisions in ({}, {name: "keep"}):
                book = decided(lab, tmp_path, decisions)
                chapter = postfix.open(book, HOST)
                with pytest.raises(
                    ApplyRefused, match=r"(?s)is not the one for the key.*Nothing was changed"
                ):
                    chapter.apply(chapter.plan_sasl())
        assert changed(before, lab.tree(HOST), AT_WORK) == []
    lab.exec(HOST, samples.written(place, PUBLIC.key_pem + PUBLIC.pem + PUBLIC_INTERMEDIATE.pem) + TAKEN_UP)
    with trusted(PUBLIC_ROOT, tmp_path):
        _, summaries = run_chapters(HOST)
    assert [("passed" in summary) for summary in summaries] == [True] * 3
    assert shown_on(lab, 25, *SUBMISSION) == {der(PUBLIC)}
