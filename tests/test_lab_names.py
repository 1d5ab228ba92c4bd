"""The lab's DNS server: right answers, and the wrong ones that sites really have."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import dns.reversename
import pytest

from lab import Lab
from lab.dns import NO_PTR, STALE, WRONG_PTR, configuration
from lab.network import Network
from lab.releases import RELEASES


@pytest.fixture
def resolver(lab: Lab) -> dns.resolver.Resolver:
    """Asks the lab's server and no other."""
    asking = dns.resolver.Resolver(configure=False)
    asking.nameservers = [lab.network.gateway4]
    asking.lifetime = 5
    return asking


def ask(resolver: dns.resolver.Resolver, name: str, kind: str) -> list[str]:
    """The answers as text, in order of text."""
    return sorted(str(answer) for answer in resolver.resolve(f"{name}.example.test", kind))


def names_of(resolver: dns.resolver.Resolver, address: str) -> list[str]:
    """What the address is called."""
    return [str(answer) for answer in resolver.resolve(dns.reversename.from_address(address), "PTR")]


def test_each_host_has_its_names_on_both_families(lab: Lab, resolver: dns.resolver.Resolver) -> None:
    for host in lab.hosts:
        for name in host.names:
            label = name.removesuffix(".example.test")
            assert ask(resolver, label, "A") == [host.address]
            assert ask(resolver, label, "AAAA") == [host.address6]
        for address in (host.address, host.address6):
            assert names_of(resolver, address) == [f"{host.release.hostname}."]


def test_mail_for_the_domain_goes_to_each_host(resolver: dns.resolver.Resolver) -> None:
    answers = sorted(str(answer) for answer in resolver.resolve("example.test", "MX"))
    assert answers == sorted(f"10 mail{release.number}.example.test." for release in RELEASES.values())


def test_a_name_that_nobody_registered_does_not_exist(resolver: dns.resolver.Resolver) -> None:
    with pytest.raises(dns.resolver.NXDOMAIN):
        ask(resolver, "nowhere", "A")


def test_a_stale_name_leads_where_nobody_is(lab: Lab, resolver: dns.resolver.Resolver) -> None:
    assert ask(resolver, "stale", "A") == [lab.network.address4(STALE)]
    assert lab.network.address4(STALE) not in {host.address for host in lab.hosts}


def test_a_name_without_and_one_with_a_wrong_reverse_entry(lab: Lab, resolver: dns.resolver.Resolver) -> None:
    for address in (lab.network.address4(NO_PTR), lab.network.address6(NO_PTR)):
        with pytest.raises(dns.resolver.NXDOMAIN):
            names_of(resolver, address)
    for address in (lab.network.address4(WRONG_PTR), lab.network.address6(WRONG_PTR)):
        assert names_of(resolver, address) == ["ms12.example.test."]
    assert ask(resolver, "noptr", "A") == [lab.network.address4(NO_PTR)]
    assert ask(resolver, "wrongptr", "AAAA") == [lab.network.address6(WRONG_PTR)]


def test_a_name_with_no_ipv4_address(lab: Lab, resolver: dns.resolver.Resolver) -> None:
    assert ask(resolver, "v6only", "AAAA") == [lab.host("debian12").address6]
    with pytest.raises(dns.resolver.NoAnswer):
        ask(resolver, "v6only", "A")


def test_a_mail_exchanger_that_is_an_alias(resolver: dns.resolver.Resolver) -> None:
    """RFC 2181 section 10.3 forbids it; it is met all the same."""
    assert ask(resolver, "cname-mx", "MX") == ["10 alias.example.test."]
    assert ask(resolver, "alias", "CNAME") == ["mail12.example.test."]


@contextmanager
def server_below(above: socket.socket, folder: Path, network: Network) -> Iterator[int]:
    """A server with the lab's configuration, on loopback; yields its port. What it forwards, `above` gets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    lines = configuration(network).replace("except-interface=lo", "listen-address=127.0.0.1")
    path = folder / "dnsmasq.conf"
    path.write_text(f"{lines}port={port}\nno-resolv\nserver=127.0.0.1#{above.getsockname()[1]}\n")
    command = ["dnsmasq", "--keep-in-foreground", "--pid-file", f"--conf-file={path}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 5
            while f"0100007F:{port:04X} " not in Path("/proc/net/udp").read_text():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield port
        finally:
            server.terminate()


def test_questions_about_a_lab_never_go_elsewhere(lab: Lab, tmp_path: Path) -> None:
    """Names and addresses, those of other labs too; anything else is forwarded."""
    addresses = [
        dns.reversename.from_address(address).to_text() for address in ("10.77.200.9", "fd77:200::9")
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as above:
        above.bind(("127.0.0.1", 0))
        above.settimeout(10)
        with server_below(above, tmp_path, lab.network) as port:
            for question, kind in [("nowhere.example.test", "A"), *((name, "PTR") for name in addresses)]:
                answer = dns.query.udp(dns.message.make_query(question, kind), "127.0.0.1", 5, port)
                assert answer.rcode() == dns.rcode.NXDOMAIN
            with pytest.raises(dns.exception.Timeout):
                dns.query.udp(dns.message.make_query("elsewhere.example", "A"), "127.0.0.1", 0.2, port)
            first = dns.message.from_wire(above.recv(4096)).question[0].name
    assert first.to_text() == "elsewhere.example."


def test_hosts_ask_this_server(lab: Lab, any_host: str) -> None:
    lab.reset(any_host)
    assert lab.exec(any_host, "getent ahostsv4 mail13.example.test").startswith(
        lab.host("debian13").address.encode()
    )


def test_more_records_for_the_time_being_time_and_again(lab: Lab) -> None:
    """The server that ends has let go of its port, with a process of its own for an open connection too."""
    gateway = lab.network.gateway4
    for number in range(5):
        record = f"host-record=meanwhile{number}.example.test,{lab.network.address4(STALE)}"
        with lab.also_in_dns(record), socket.create_connection((gateway, 53)):
            assert lookup(gateway, f"meanwhile{number}.example.test") == [lab.network.address4(STALE)]
            time.sleep(0.1)


def lookup(server: str, name: str) -> list[str]:
    answer = dns.query.udp(dns.message.make_query(name, "A"), server, timeout=5)
    return [str(record) for rows in answer.answer for record in rows]
