"""Which rule or policy of the host's own firewall keeps a port closed is named, and the line beside it opens the port.

Each firewall is put up on a real mail server; what is told is compared with what a client can really do, and the line
that is told is typed.
"""

import re
from collections.abc import Iterator

import probes_postfix
import pytest
from probes_firewalls import (
    ALL,
    IPTABLES_CASES,
    NFT_CASES,
    NONE,
    PORTS,
    firewall,
    loaded,
    unreached,
)
from probes_postfix import LabShell, MailHost

from lab import Lab
from runbook_lib.mail.firewall import IP6TABLES, IPTABLES, NFT, Firewall, Look
from runbook_lib.mail.probes import Survey, Verdict, ports_reached


@pytest.fixture(scope="module")
def host(lab: Lab) -> MailHost:
    return probes_postfix.host(lab)


@pytest.fixture(scope="module")
def host_with_ufw(host: MailHost) -> MailHost:
    """ufw, and with it iptables, come from Debian."""
    host.lab.exec(
        host.name,
        "apt-get -qq update >/dev/null; DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends"
        " install ufw >/dev/null 2>&1",
        timeout_s=180.0,
    )
    return host


@pytest.fixture
def host_with_firewalld(host: MailHost) -> Iterator[MailHost]:
    """firewalld owns its table, so nft could add nothing to it."""
    host.lab.exec(
        host.name,
        "apt-get -qq update >/dev/null; DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends"
        " install firewalld >/dev/null 2>&1; systemctl start firewalld",
        timeout_s=240.0,
    )
    yield host
    host.sh("systemctl disable --now firewalld 2>/dev/null")


def told(host: MailHost) -> dict[int, dict[int, str]]:
    found = host.view.firewall()
    assert found.untold == ()
    return {family: found.words(PORTS, is_v6=family == 6) for family in (4, 6)}


def line_of(words: str) -> str:
    return words.partition("its administrator adds: ")[2].removesuffix(
        " (and in the file that it is loaded from)"
    )


def prove(host: MailHost, script: str, closed: dict[int, tuple[int, ...]], why: str) -> None:
    with firewall(host, script):
        assert unreached(host) == closed
        words = told(host)
        assert {family: tuple(words[family]) for family in (4, 6)} == closed
        everything = "\n".join(text for by_port in words.values() for text in by_port.values())
        assert why in everything
        host.sh("; ".join(dict.fromkeys(map(line_of, everything.splitlines()))) or ":")
        assert unreached(host) == NONE
        assert told(host) == {4: {}, 6: {}}


@pytest.mark.parametrize("case", list(NFT_CASES))
def test_what_nftables_keeps_closed_is_told_and_the_line_opens_it(host: MailHost, case: str) -> None:
    ruleset, closed, why = NFT_CASES[case]
    prove(host, loaded(ruleset), closed, why)


@pytest.mark.parametrize("case", list(IPTABLES_CASES))
def test_what_ufw_and_iptables_keep_closed_is_told_and_the_line_opens_it(
    host_with_ufw: MailHost, case: str
) -> None:
    prove(host_with_ufw, *IPTABLES_CASES[case])


def test_what_iptables_of_old_keeps_closed_is_told(host_with_ufw: MailHost) -> None:
    """The rules that nftables knows nothing of."""
    host = host_with_ufw
    closed: dict[int, tuple[int, ...]] = {4: (465,), 6: ()}
    host.sh("update-alternatives --set iptables /usr/sbin/iptables-legacy")
    try:
        host.sh("iptables -A INPUT ! -i lo -p tcp --dport 465 -j DROP")
        assert unreached(host) == closed
        words = told(host)
        assert {family: tuple(words[family]) for family in (4, 6)} == closed
        host.sh(line_of(words[4][465]))
        assert unreached(host) == NONE
    finally:
        host.sh("iptables -F; update-alternatives --auto iptables")


def test_what_firewalld_keeps_closed_is_told(host_with_firewalld: MailHost) -> None:
    words = told(host_with_firewalld)
    assert unreached(host_with_firewalld) == {family: tuple(words[family]) for family in (4, 6)} == ALL
    lines = {line_of(text) for by_port in words.values() for text in by_port.values()}
    assert lines == {
        "firewall-cmd --permanent --add-port=25/tcp --add-port=465/tcp --add-port=587/tcp && firewall-cmd --reload"
    }
    host_with_firewalld.sh(lines.pop())
    assert unreached(host_with_firewalld) == NONE
    assert told(host_with_firewalld) == {4: {}, 6: {}}


def test_one_line_opens_all_ports_that_one_place_keeps_closed(host_with_ufw: MailHost) -> None:
    with firewall(host_with_ufw, loaded(NFT_CASES["a policy that drops"][0])):
        by_nft = {line_of(words) for words in told(host_with_ufw)[4].values()}
    with firewall(host_with_ufw, IPTABLES_CASES["ufw's default"][0]):
        by_ufw = {line_of(words) for words in told(host_with_ufw)[6].values()}
    assert by_nft == {"nft 'add rule inet filter input tcp dport { 25, 465, 587 } accept'"}
    assert by_ufw == {"ufw allow 25,465,587/tcp"}


def test_looking_changes_nothing(host: MailHost) -> None:
    """No table is made by asking for it, and no rule is touched."""
    with firewall(host, loaded(NFT_CASES["a policy that drops"][0])):
        before = host.sh("nft -s list ruleset; lsmod | sort")
        host.view.firewall()
        assert host.sh("nft -s list ruleset; lsmod | sort") == before


def test_who_is_not_permitted_to_look_says_so(host: MailHost) -> None:
    """Not root: nothing is told of the firewall but that."""
    with firewall(host, loaded(NFT_CASES["a policy that drops"][0])):
        shell = LabShell(host.lab, host.name)
        done = shell.run(
            "su -s /bin/sh nobody -c 'PATH=/usr/sbin:$PATH; nft -j list ruleset 2>&1'", root=True, check=False
        )
    found = Firewall.of(
        [Look(NFT, done.status, "", done.stdout.decode()), Look(IPTABLES, 127, ""), Look(IP6TABLES, 0, "")]
    )
    assert found.words(PORTS, is_v6=False) == {}
    (words,) = found.untold
    assert words.startswith("nft list ruleset: could not look (")
    assert "Operation not permitted" in words


@pytest.mark.parametrize("printed", ["", "{}", '{"nftables": [{"rule": 7}]}', "table inet filter {"])
def test_what_is_not_understood_is_no_open_door(printed: str) -> None:
    found = Firewall.of([Look(NFT, 0, printed)])
    assert found.untold == ("nft list ruleset: could not look (it prints what is not understood here)",)


def test_the_row_of_a_port_says_it(host: MailHost) -> None:
    with firewall(host, loaded(NFT_CASES["one rule about one port, for IPv4 alone"][0])):
        rows = ports_reached(Survey(host.target, host.view, timeout_s=2.0))
    seen = {(row.port, ":" in row.address): row for row in rows}
    assert {row.verdict for row in rows} == {Verdict.PASS, Verdict.UNTESTED}
    assert [at for at, row in seen.items() if row.verdict is Verdict.UNTESTED] == [(465, False)]
    assert re.sub(r"handle \d+", "handle N", seen[465, False].seen) == (
        "not reached; the host's own firewall keeps it out (nftables, table ip wall, chain in: "
        "rule `tcp dport 465 drop`); "
        "to let it in, its administrator adds: nft 'insert rule ip wall in handle N tcp dport 465 accept' "
        "(and in the file that it is loaded from)"
    )


BANS = {
    "nftables": (
        "table inet f2b {{ set banned {{ type ipv4_addr; elements = {{ {} }}; }} chain in {{ type filter hook input "
        "priority -1; policy accept; tcp dport {{ 25, 587 }} ip saddr @banned reject with tcp reset; }} }}"
    ),
    "iptables": (
        "iptables -N f2b; iptables -A f2b -s {} -p tcp -j REJECT --reject-with tcp-reset; iptables -A f2b -j RETURN;"
        "iptables -A INPUT -p tcp -m multiport --dports 25,587 -j f2b"
    ),
}


@pytest.mark.parametrize("kind", list(BANS))
def test_a_rule_about_this_client_alone_is_told_as_one(host_with_ufw: MailHost, kind: str) -> None:
    """fail2ban's, say: it keeps out this client and no stranger, so there is no line that opens the port."""
    host = host_with_ufw
    script = BANS[kind].format(host.lab.network.gateway4)
    with firewall(host, loaded(script) if kind == "nftables" else script):
        assert unreached(host) == {4: (25, 587), 6: ()}
        assert told(host) == {4: {}, 6: {}}
        rows = ports_reached(Survey(host.target, host.view, timeout_s=2.0))
    where = "table inet f2b, chain in" if kind == "nftables" else "chain f2b"
    assert {row.seen for row in rows if row.verdict is Verdict.UNTESTED} == {
        "connection refused: nothing listens there, or a firewall answers for it; a rule of the host's own firewall "
        f"that depends on the client (a ban, a list of networks) may keep this one out ({where})"
    }
