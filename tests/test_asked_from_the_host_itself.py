"""What this machine does not reach is asked from the host itself, through SSH, and its rows say so.

The ways in are closed on the host by nftables, for others than the host itself: to a controller that looks like any
firewall between the two.
"""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import probes_dns
import probes_postfix
import pytest
from probes_defects import everything
from probes_postfix import MailHost, failures
from remote_hosts import SSHD_ANEW, connected, model, site

from lab import Lab
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Survey, Verdict
from runbook_lib.remote import connect
from runbook_lib.remote.vantage import HostItself

WALL = (
    "nft add table inet wall; nft 'add chain inet wall in { type filter hook input priority 0; }';"
    "nft add rule inet wall in iifname != lo "
)
FROM_HOST = "asked from the host itself, through SSH"


@pytest.fixture
def host(lab: Lab) -> MailHost:
    return probes_postfix.host(lab)


@pytest.fixture
def vantage(host: MailHost) -> Iterator[HostItself]:
    with connected(host.lab, host.name) as remote:
        yield HostItself(remote)


@contextmanager
def wall(host: MailHost, rule: str) -> Iterator[None]:
    host.sh(WALL + rule)
    try:
        yield
    finally:
        host.sh("nft delete table inet wall")


def survey(host: MailHost, vantage: HostItself, **different: object) -> Survey:
    made = host.survey(timeout_s=10.0, **different)
    return Survey(made.target, host.view, vantage, timeout_s=10.0)


@pytest.mark.parametrize("verdict", ["reject with tcp reset", "drop"])
def test_what_does_not_depend_on_the_client_keeps_its_verdict(
    host: MailHost, vantage: HostItself, verdict: str
) -> None:
    with wall(host, f"tcp dport 587 {verdict}"):
        rows = everything(survey(host, vantage))
    asked = [row for row in rows if row.port == 587]
    passed = [row for row in asked if row.verdict is Verdict.PASS]
    assert failures(rows) == {}
    assert {row.claim for row in passed} >= {
        probes.CHAIN_VALIDATES,
        probes.SERIAL_ON_EACH_PORT,
        probes.NO_AUTH_IN_CLEAR,
        probes.OLD_VERSIONS_REFUSED,
        probes.RIGHT_PASSWORD_ACCEPTED,
        probes.MESSAGE_ARRIVES,
    }
    assert all(row.seen.endswith(f" ({FROM_HOST})") for row in passed), passed
    own = host.lab.host(host.name)
    assert {row.client for row in passed} == {own.address, own.address6}
    assert not [row for row in rows if row.port == 465 and FROM_HOST in row.seen]


def test_what_depends_on_the_client_could_not_be_tested(host: MailHost, vantage: HostItself) -> None:
    with wall(host, "tcp dport 25 reject with tcp reset"):
        rows = probes.no_relay_without_login(survey(host, vantage))
    asked = [row for row in rows if row.port == 25]
    assert {row.verdict for row in asked} == {Verdict.UNTESTED}
    assert {row.seen for row in asked} == {
        "only asked from the host itself, through SSH, which says nothing about strangers; from here: connection "
        "refused: nothing listens there, or a firewall answers for it"
    }
    assert {row.verdict for row in rows if row.port == 465} == {Verdict.PASS}


def test_an_address_that_is_none_of_the_host_s_own_is_not_asked_there(
    host: MailHost, vantage: HostItself
) -> None:
    """An AAAA record that leads nowhere: what the host would say says nothing about that address."""
    nowhere = "fd77:250::1"
    with probes_dns.answering({host.target.name: (host.lab.host(host.name).address, nowhere)}) as resolver:
        rows = everything(survey(host, vantage, account=None, resolver=resolver))
    unrouted = [row for row in rows if row.address == nowhere]
    assert {row.verdict for row in unrouted} == {Verdict.UNTESTED}
    assert all("who publishes the address, or routes for it, must act" in row.seen for row in unrouted)
    assert all("is none of the host's own" in row.seen for row in unrouted)
    assert failures(rows) == {}


@contextmanager
def behind_nat(host: MailHost, public: str) -> Iterator[None]:
    """The host is reached by an address that none of its interfaces has, as behind a NAT that keeps the ports."""
    own = host.lab.host(host.name).address
    route = ["ip", "route", "{}", f"{public}/32", "via", own]
    host.sh(
        "nft add table ip outer; nft 'add chain ip outer pre { type nat hook prerouting priority -100; }';"
        f"nft add rule ip outer pre ip daddr {public} dnat to {own}"
    )
    subprocess.run([word.format("replace") for word in route], check=True, timeout=10)
    try:
        yield
    finally:
        subprocess.run([word.format("del") for word in route], check=True, timeout=10)
        host.sh("nft delete table ip outer")


def test_behind_a_nat_the_host_is_asked_at_its_own_address(host: MailHost, tmp_path: Path) -> None:
    """The name's address is none of its interfaces', but SSH came in by it."""
    lab, public = host.lab, f"198.51.100.{100 + host.lab.network.number}"
    at = lab.host(host.name)
    known = (lab.folder / "known_hosts").read_text(encoding="utf-8")
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(known.replace(f"{at.address},", f"{at.address},{public},"), encoding="utf-8")
    with (
        probes_dns.answering({host.target.name: (public,)}) as resolver,
        behind_nat(host, public),
        wall(host, "tcp dport 587 reject with tcp reset"),
    ):
        remote = connect(site(lab, known_hosts), model(lab, host.name, address=public))
        try:
            rows = everything(survey(host, HostItself(remote), account=None, resolver=resolver))
        finally:
            remote.close()
    assert failures(rows) == {}
    asked = [row for row in rows if row.port == 587 and FROM_HOST in row.seen]
    assert {row.address for row in asked} == {public}
    assert {row.client for row in asked} == {at.address}
    assert (probes.CHAIN_VALIDATES, Verdict.PASS) in {(row.claim, row.verdict) for row in asked}


def test_a_controller_without_ipv6_has_the_other_family_asked_from_the_host(
    host: MailHost, vantage: HostItself
) -> None:
    """Nobody's firewall is suspected then: it is the way from here that is missing."""
    address6 = host.lab.host(host.name).address6
    route = ["ip", "-6", "route", "{}", "unreachable", f"{address6}/128"]
    subprocess.run([word.format("replace") for word in route], check=True, timeout=10)
    try:
        rows = everything(survey(host, vantage, account=None))
    finally:
        subprocess.run([word.format("del") for word in route], check=True, timeout=10)
    v6 = {row.claim: row for row in rows if row.address == address6}
    assert v6[probes.CHAIN_VALIDATES].verdict is Verdict.PASS
    assert v6[probes.NO_RELAY_WITHOUT_LOGIN].verdict is Verdict.UNTESTED
    assert v6[probes.PORTS_REACHED].seen == (
        "no route to this address from here: who publishes the address, or routes for it, must act; "
        "it answers where it is asked from the host itself, through SSH"
    )
    assert not [row for row in rows if ":" not in row.address and FROM_HOST in row.seen]


def test_where_the_host_has_no_firewall_somebody_in_front_must_act(
    host: MailHost, vantage: HostItself
) -> None:
    """To this client the way back is missing, as behind a firewall that somebody else runs."""
    with host.lab.outsider() as outsider:
        route = f"{outsider.address4}/32"
        with host.broken(f"ip route add blackhole {route}", f"ip route del blackhole {route}"):
            target = host.seen_by_v4(outsider.address4)
            rows = probes.ports_reached(Survey(target, host.view, vantage, timeout_s=3.0))
    assert {(row.verdict, row.seen) for row in rows} == {
        (
            Verdict.UNTESTED,
            "no answer to the connection: a firewall on the way drops it; who runs it must open the port; it answers "
            "where it is asked from the host itself, through SSH; no rule of the host's own firewall keeps it out: "
            "who runs the firewall or NAT before it must let it in",
        )
    }


def test_a_service_on_loopback_alone_is_asked_there(host: MailHost, vantage: HostItself) -> None:
    with host.broken(
        "postconf -e inet_interfaces=loopback-only; postfix stop; postfix start",
        "postfix stop; postfix start",
    ):
        rows = probes.chain_validates(survey(host, vantage))
        told = {row.seen for row in probes.ports_reached(survey(host, vantage))}
    assert {(row.verdict, row.client.removeprefix("own: ")) for row in rows} == {
        (Verdict.PASS, "127.0.0.1"),
        (Verdict.PASS, "::1"),
    }
    assert told == {
        "it listens on the loopback address alone: inet_interfaces in main.cf must name this address"
        f" ({FROM_HOST})"
    }


def test_a_host_whose_sshd_forwards_nothing_is_not_asked_and_says_so(host: MailHost, lab: Lab) -> None:
    conf = "/etc/ssh/sshd_config.d/none.conf"
    host.sh(f"echo 'AllowTcpForwarding no' >{conf}; {SSHD_ANEW}")
    try:
        with connected(lab, host.name) as remote, wall(host, "tcp dport 587 reject with tcp reset"):
            rows = probes.starttls_offered(survey(host, HostItself(remote)))
    finally:
        host.sh(f"rm {conf}; {SSHD_ANEW}")
    closed = [row for row in rows if row.port == 587]
    assert {row.verdict for row in closed} == {Verdict.UNTESTED}
    assert all(
        row.seen.endswith("its sshd forwards no connection (AllowTcpForwarding, PermitOpen)")
        for row in closed
    )


def test_bytes_pass_in_both_directions_and_the_end_is_seen(host: MailHost, vantage: HostItself) -> None:
    """More than a channel's window of them; who is not there is told as that."""
    own = host.lab.host(host.name).address
    host.sh("systemd-run -q --unit=mirror systemd-socket-activate -l 2525 -a --inetd cat")
    host.sh("timeout 20 sh -c 'until ss -Htln sport = :2525 | grep -q .; do sleep 0.05; done'")
    sent = bytes(range(256)) * 12_000
    received = b""
    try:
        talk, client = vantage.connect(own, 2525, 5.0)
        with talk:
            talk.settimeout(5.0)
            writing = threading.Thread(target=talk.sendall, args=(sent,))
            writing.start()
            while len(received) < len(sent) and (octets := talk.recv(65536)):
                received += octets
            writing.join()
    finally:
        host.sh("systemctl --no-block stop mirror")
    assert (client, received) == (own, sent)
    talk, _ = vantage.connect(own, 25, 5.0)
    with talk:
        talk.settimeout(5.0)
        talk.sendall(b"QUIT\r\n")
        said = b""
        while octets := talk.recv(100):  # up to the end, in as many pieces as they come
            said += octets
    assert [line[:4] for line in said.splitlines()] == [b"220 ", b"221 "]
    with pytest.raises(OSError, match="not reached on the host itself, either"):
        vantage.connect(own, 26, 5.0)
