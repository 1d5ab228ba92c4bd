"""The lab's lived-in hosts: a server of 2013 that works, with all that makes it hard to change."""

import ssl
from datetime import UTC, datetime

import pytest
from cryptography import x509
from lived_in import BLIND, everything_it_did, its_old_submission, lived_in

from lab import Lab
from lab.recipes import DEBIAN, EARLY_STATES
from lab.releases import RELEASES
from runbook_lib.mail.flow import MailFlow


# Every release once, and each variant on both families; what differs between releases is maps and packages.
@pytest.mark.parametrize(
    ("host", "state"),
    [
        ("debian12", "lived-in"),
        ("debian13", "lived-in-postscreen"),
        ("el9", "lived-in"),
        ("el10", "lived-in-postscreen"),
    ],
)
def test_it_does_what_its_people_rely_on(lab: Lab, host: str, state: str) -> None:
    lab.reset(host, state)
    with lived_in(lab, host) as server:
        everything_it_did(server)
        its_old_submission(server)
        # Taking up settings costs no mail, on the old ports either, and the sampler sees all three.
        flow = MailFlow.start(lab.host(host).address, host)
        assert flow is not None
        lab.exec(host, "postfix reload")
        seen = {port.port: (port.level, port.refused, port.unanswered) for port in flow.stop()}
        assert seen == {25: ("RCPT for postmaster", 0, 0), 465: ("EHLO", 0, 0), 587: ("EHLO", 0, 0)}
        with server.talk() as client:
            client.starttls(context=BLIND)
            assert isinstance(client.sock, ssl.SSLSocket)
            certificate = x509.load_der_x509_certificate(client.sock.getpeercert(binary_form=True) or b"")
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert left.days == 8, "nine days from the reset, less the seconds since"
    assert lab.exec(host, "git -C /etc status --porcelain") == b""
    program = "postscreen" if state.endswith("postscreen") else "smtpd"
    assert lab.exec(host, "postconf -M smtp/inet").decode().split()[-1] == program
    comments = lab.exec(host, "cat /etc/postfix/main.cf").decode("euc_jp")
    assert "# 社内からの中継" in comments
    assert lab.exec(host, "systemctl is-system-running") == b"running\n"


def test_up_makes_no_image_of_a_lived_in_server() -> None:
    """`make demo` pays for what it shows, and for nothing else."""
    for release in RELEASES.values():
        early = {name for name, state in release.recipe.states.items() if state.early}
        assert early == set(EARLY_STATES) == {"bare", "fresh"}
        assert set(release.recipe.states) == set(DEBIAN.states)
