"""Chapter 0: what a site gets wrong in the DNS is found, each thing by its row; nothing is changed."""

import pytest
from supported import family_of
from trees import AT_WORK, changed

from lab import Lab
from runbook_lib.chapters import preparation
from runbook_lib.errors import VerificationFailed
from runbook_lib.mail.probes import Row, Verdict
from runbook_lib.mail.registration import Registration

DOMAIN = "example.test"


def questions(
    lab: Lab, names: tuple[str, ...] = (), own: tuple[str, ...] = (), domain: str = DOMAIN
) -> Registration:
    host = lab.host("debian12")
    return Registration(names, domain, own or (host.address, host.address6), host.network.gateway4)


def told(rows: list[Row]) -> list[tuple[str, str]]:
    return [(str(row.verdict), row.seen) for row in rows]


def test_names_of_the_server_lead_to_it(lab: Lab) -> None:
    rows = questions(lab, ("mail12.example.test", "v6only.example.test")).names_lead_here()
    assert told(rows) == [
        ("pass", "mail12.example.test, A: an address of this server"),
        ("pass", "mail12.example.test, AAAA: an address of this server"),
        ("pass", "v6only.example.test, AAAA: an address of this server"),
    ]


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("nowhere.example.test", "A: no such name in the DNS (NXDOMAIN)"),
        ("stale.example.test", "A: an address that this server does not have"),
        ("mail13.example.test", "A: an address that this server does not have"),
    ],
)
def test_a_name_that_leads_elsewhere_is_a_fail(lab: Lab, name: str, seen: str) -> None:
    assert told(questions(lab, (name,)).names_lead_here())[0] == ("fail", f"{name}, {seen}")


def test_a_public_address_before_a_private_server_may_be_nat(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lab has no public addresses, so one that the DNS has is made to count as public."""
    monkeypatch.setattr(
        "ipaddress.IPv4Address.is_global", property(lambda address: str(address).endswith(".99"))
    )
    rows = questions(lab, ("stale.example.test",)).names_lead_here()
    assert [row.verdict for row in rows] == [Verdict.UNTESTED]
    assert "NAT" in rows[0].seen


def test_a_silent_dns_server_is_no_verdict_about_the_names(lab: Lab) -> None:
    host = lab.host("debian12")
    rows = Registration(
        ("mail12.example.test",), DOMAIN, (host.address,), host.network.address4(250)
    ).names_lead_here()
    assert [row.verdict for row in rows] == [Verdict.UNTESTED]


def test_each_address_has_its_row_and_a_missing_reverse_name_warns(lab: Lab) -> None:
    """IPv4 has its name, IPv6 has none, or one that leads elsewhere."""
    network = lab.host("debian12").network
    own = (network.address4(12), network.address6(112), network.address6(113))
    rows = questions(lab, own=own).addresses_lead_back()
    assert [(row.address, row.seen.split(":")[0]) for row in rows] == [
        (own[0], "ms12.example.test, and back"),
        (own[1], "warning"),
        (own[2], "warning"),
    ]
    assert "no PTR" in rows[1].seen
    assert "ms12.example.test does not lead back" in rows[2].seen


@pytest.mark.parametrize(
    ("domain", "seen"),
    [
        ("cname-mx.example.test", "alias.example.test is an alias (CNAME)"),
        ("v6only.example.test", "no MX"),
    ],
)
def test_an_mx_that_is_wrong_or_missing_warns(lab: Lab, domain: str, seen: str) -> None:
    rows = questions(lab, domain=domain).domain_has_mx()
    assert [row.verdict for row in rows] == [Verdict.PASS]
    assert rows[0].warns or "warning" in rows[0].seen
    assert seen in rows[0].seen


@pytest.mark.parametrize(
    ("here", "otherwise", "mx_here", "verdict", "words"),
    [
        (True, False, True, "pass", "agree"),
        (False, True, True, "pass", "virtual or relay domain of it"),
        (False, False, False, "pass", "on another server"),
        (False, False, True, "pass", "loops back to myself"),
        (True, False, False, "pass", "stays on this server"),
        (True, False, None, "could not test", "the DNS does not say"),
    ],
)
def test_mx_and_mydestination_that_disagree_are_named(
    here: bool, otherwise: bool, mx_here: bool | None, verdict: str, words: str
) -> None:
    """Where they disagree, mail for the domain is refused, or stays in mailboxes that nobody reads."""
    found, seen = preparation.one_place(DOMAIN, here, otherwise, mx_here)
    assert (str(found), words in seen) == (verdict, True)
    assert seen.startswith("warning: ") == (here != bool(mx_here) and not otherwise and mx_here is not None)


def test_the_domain_that_postfix_does_not_know_is_named_on_the_host(lab: Lab) -> None:
    lab.reset("debian12", "fresh")
    chapter = preparation.open("lab", "debian12")
    assert "is taken on this server" in chapter.ask_one_place().text()
    lab.exec("debian12", "postconf -e 'mydestination = $myhostname, localhost'")
    again = preparation.open("lab", "debian12")
    assert "mail for example.test loops back to myself" in again.ask_one_place().text()


def test_the_chapter_changes_nothing_and_tells_ports_and_changes(lab: Lab, host_name: str) -> None:
    lab.reset(host_name, "fresh")
    before = lab.tree(host_name)
    chapter = preparation.open("lab", host_name)
    assert "SMTP" in chapter.show_ports().text()
    for ask in (chapter.ask_names, chapter.ask_addresses, chapter.ask_mx):
        assert "pass" in ask().text()
    assert f"packages {family_of(host_name).packages[1]}" in chapter.show_changes().text()
    assert f"{family_of(host_name).key_directory}/nopass_mail-server.key" in chapter.show_values().text()
    assert "smtpd_tls_protocols" in chapter.show_port_25().text()
    assert "passed" in chapter.summary().text()
    assert changed(before, lab.tree(host_name), AT_WORK) == []
    assert not lab.exec(host_name, "ls /var/lib/runbook 2>/dev/null || :")


def test_a_name_that_leads_elsewhere_stops_the_chapter(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.reset("debian12", "bare")
    chapter = preparation.open("lab", "debian12")
    monkeypatch.setattr(
        preparation.Preparation, "registration", property(lambda _: questions(lab, ("stale.example.test",)))
    )
    with pytest.raises(VerificationFailed, match="an address that this server does not have"):
        chapter.ask_names()


def test_own_addresses_are_read_from_the_host(lab: Lab, host_name: str) -> None:
    host = lab.host(host_name)
    shown = lab.exec(host_name, "ip -o address show scope global").decode()
    assert preparation.own_addresses(shown) == (host.address, host.address6)
