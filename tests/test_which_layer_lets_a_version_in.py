"""A row about TLS versions says what was measured, what was wanted, what is set, and which of them decides."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from applied_host import applied
from mail_states import mail_state
from probes_postfix import RELOAD

from lab import Lab
from runbook_lib.chapters import verification
from runbook_lib.mail import probes
from runbook_lib.mail.probes.protocol import _decided_by
from runbook_lib.mail.probes.target import Endpoint, Target, Versions
from runbook_lib.mail.target import versions
from runbook_lib.remote.facts import Fact

pytestmark = pytest.mark.usefixtures("as_a_batch")

HOST = "debian12"
OFFER, DEMANDED = "smtpd_tls_protocols", "smtpd_tls_mandatory_protocols"
MASTER = (
    "smtp inet n - y - - smtpd\n"
    "submission inet n - y - - smtpd\n  -o smtpd_tls_security_level=encrypt\n{own}"
    "submissions inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"
)
SINCE_1 = frozenset({"TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"})


def of_ports(main_cf: Mapping[str, str], own: str = "", beside: str = "") -> Mapping[int, Versions]:
    lines: dict[str, tuple[str, ...]] = {
        f"{name}/inet": (f"{name} inet",) for name in ("smtp", "submission", "submissions")
    }
    state = mail_state(dict(main_cf), lines, master=MASTER.format(own=own))
    effective = {OFFER: ">=TLSv1", DEMANDED: ">=TLSv1", **main_cf}
    facts = {name: Fact(effective[name], 0) for name in (OFFER, DEMANDED)}
    return versions.of_ports(state, (25, 465, 587), facts, beside)


def test_the_list_that_counts_on_a_port_is_found_where_it_stands() -> None:
    found = of_ports({DEMANDED: "TLSv1.2"}, f"  -o {DEMANDED}=!SSLv2,!SSLv3\n", "the policy says so")
    assert found[25] == Versions("Postfix's default is >=TLSv1", SINCE_1, "the policy says so")
    assert found[465].said == "main.cf says TLSv1.2"
    assert found[465].left == frozenset({"TLS 1.2"})
    assert found[587].said == "master.cf, submission/inet, says !SSLv2,!SSLv3"
    assert found[587].left is not None
    assert "TLS 1.0" in found[587].left
    assert of_ports({OFFER: "TLSv1.2x"})[25].left is None


@dataclass
class Known:
    """What the rule asks of a survey."""

    target: Target


@pytest.mark.parametrize(
    ("version", "accepted", "said", "words"),
    [
        ("TLS 1.0", True, "main.cf says >=TLSv1", "; main.cf says >=TLSv1; P"),
        ("TLS 1.3", False, "main.cf says TLSv1.2", "; main.cf says TLSv1.2; P"),
        (
            "TLS 1.0",
            True,
            "main.cf says TLSv1.2",
            ", which leaves it out: that is not taken up, or something before",
        ),
        ("TLS 1.2", False, "main.cf says TLSv1.2", ", which lets it in: not Postfix refuses it, but OpenSSL"),
    ],
)
def test_who_decides_is_said(version: str, accepted: bool, said: str, words: str) -> None:
    left = SINCE_1 if ">=" in said else frozenset({"TLS 1.2"})
    target = Target("mail.example.jp", "example.jp", versions={25: Versions(said, left, "P")})
    assert words in _decided_by(Known(target), Endpoint("192.0.2.1", 25), version, accepted=accepted)  # type: ignore[arg-type]
    assert _decided_by(Known(target), Endpoint("192.0.2.1", 587), version, accepted=accepted) == ""  # type: ignore[arg-type]


def test_on_a_host_the_row_names_main_cf_where_that_decides(lab: Lab) -> None:
    applied(lab, HOST, "fresh")
    lab.exec(
        HOST,
        f"postconf -e '{DEMANDED}=>=TLSv1' '{OFFER}=TLSv1.2' tls_high_cipherlist=ALL:@SECLEVEL=0; {RELOAD}",
    )
    chapter = verification.open("lab", HOST, "plan")
    old, new = (
        " ".join(chapter.ask(ask).text().split())
        for ask in (probes.old_versions_refused, probes.new_versions_accepted)
    )
    assert re.search(r"TLS 1\.0\b.*: accepted; wanted TLS 1\.2 or later; main\.cf says >=TLSv1", old), old
    assert "TLS 1.3: refused by the server" in new
    assert "; main.cf says TLSv1.2" in new
