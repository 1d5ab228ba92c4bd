"""`runbook verify`: what it asks by name alone, and how it tells what it saw."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import command_line
import probes_dns
import probes_postfix
import pytest
from probes_postfix import RELOAD, MailHost

from lab import Lab
from runbook_lib.chapters import verification
from runbook_lib.mail.probes import (
    CHAIN_VALIDATES,
    NAME_RESOLVES,
    NAMES_COVERED,
    NO_AUTH_IN_CLEAR,
    NO_RELAY_WITHOUT_LOGIN,
    OLD_VERSIONS_REFUSED,
    ONLY_TLS_ON_465,
    STARTTLS_OFFERED,
    Row,
    Survey,
    Verdict,
    chain_validates,
)
from runbook_lib.records import index
from runbook_lib.records.verification import check_all

RUNBOOK = Path(__file__).parents[1] / ".venv" / "bin" / "runbook"
LISTENS = "nothing listens there"


def row(claim: str, port: int | None, address: str, verdict: Verdict, seen: str) -> Row:
    return Row(claim, port, address, "192.0.2.9" if address else "-", verdict, seen, f"ask {port}")


def test_what_ports_and_addresses_have_in_common_is_said_once() -> None:
    rows = [
        row("TLS 1.0 is refused", port, address, verdict, seen)
        for port, verdict, seen in [
            (25, Verdict.PASS, "accepted, as found"),
            (465, Verdict.FAIL, "accepted"),
            (587, Verdict.FAIL, "accepted"),
        ]
        for address in ("192.0.2.25", "2001:db8::25")
    ]
    rows += [
        row(claim, 587, "192.0.2.25", Verdict.UNTESTED, LISTENS)
        for claim in ("A login is right", "A login is wrong")
    ]
    assert verification.shown(rows).text().splitlines() == [
        "fail            TLS 1.0 is refused",
        "                  25 over IPv4 and IPv6: accepted, as found (pass)",
        "                  465, 587 over IPv4 and IPv6: accepted",
        "                  by hand: ask 465",
        "could not test  A login is right",
        "could not test  A login is wrong",
        "                  587 over IPv4: nothing listens there",
        "",
        "The server saw these questions come from 192.0.2.9.",
    ]


def test_by_name_alone_nobody_logs_in_and_a_private_root_is_not_trusted(lab: Lab) -> None:
    """The read-only door: no inventory, no SSH. The packaged certificate has no public root, so its chain fails."""
    lab.reset("debian12", "fresh")
    dns = lab.host("debian12").network.gateway4
    command = [str(RUNBOOK), "verify", "mail12.example.test", "--resolver", dns, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd="/")
    told = json.loads(done.stdout)
    verdicts = {(found["claim"], found["port"]): found["verdict"] for found in told["rows"]}
    assert verdicts["Name and chain validate, trusting only the users' root", 25] == "fail"
    assert verdicts["Ports 25 and 587 offer STARTTLS", 25] == "pass"
    assert verdicts["The right password is accepted, by PLAIN and by LOGIN", None] == "could not test"
    assert done.returncode == 1


def verify(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as somebody types it who has neither an inventory nor SSH."""
    return command_line.runbook("verify", *words, environment=environment)


def told(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.stderr == ""
    rows: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    return rows


@pytest.fixture
def server(lab: Lab, tmp_path: Path) -> MailHost:
    """A good mail server, and no inventory anywhere: not even the lab's is found."""
    (tmp_path / "empty").mkdir()
    return probes_postfix.host(lab)


def test_without_any_inventory_one_port_is_asked(server: MailHost, tmp_path: Path) -> None:
    resolver = str(server.target.resolver)
    done = verify(
        server.target.name,
        "--port",
        "587",
        "--resolver",
        resolver,
        "--json",
        RUNBOOK_LAB=str(tmp_path / "empty"),
    )
    rows = told(done)
    assert {row["port"] for row in rows} == {587, None}
    assert {row["verdict"] for row in rows if row["claim"] == NO_AUTH_IN_CLEAR} == {"pass"}
    assert not [
        row for row in rows if row["claim"] in (ONLY_TLS_ON_465, STARTTLS_OFFERED) and row["port"] != 587
    ]


@pytest.mark.parametrize("family", ["address", "address6"])
def test_a_server_is_asked_by_its_address_alone(server: MailHost, tmp_path: Path, family: str) -> None:
    """An address is no name that users type: what needs the name could not be tested, the rest has its verdict."""
    address = getattr(server.lab.host(server.name), family)
    done = verify(address, "--port", "465", "--port", "587", "--json", RUNBOOK_LAB=str(tmp_path / "empty"))
    rows = told(done)
    verdicts = {(row["claim"], row["verdict"]) for row in rows}
    assert {row["address"] for row in rows} == {address, ""}
    assert {
        (claim, "pass") for claim in (NO_AUTH_IN_CLEAR, ONLY_TLS_ON_465, OLD_VERSIONS_REFUSED)
    } <= verdicts
    assert {(claim, "could not test") for claim in (NAME_RESOLVES, NAMES_COVERED)} <= verdicts
    assert (NO_RELAY_WITHOUT_LOGIN, "pass") in verdicts


def test_by_address_a_chain_is_judged_without_the_name(server: MailHost) -> None:
    """With the root it is the name alone that stays open; without, it fails as it does by name."""
    address = server.lab.host(server.name).address
    by_address = replace(server.target, name=address, account=None, expected_names=(), ports=(587,))
    (row,) = chain_validates(Survey(by_address))
    assert (row.verdict, row.seen) == (
        Verdict.UNTESTED,
        "the chain leads to a trusted root; whether the name is right is asked by the name that users type",
    )
    assert "-verify_ip" in row.command
    (row,) = chain_validates(Survey(replace(by_address, ca_pem=None)))
    assert row.verdict is Verdict.FAIL


def test_a_name_with_ipv4_alone_is_asked_there(server: MailHost) -> None:
    address = server.lab.host(server.name).address
    with probes_dns.answering({server.target.name: (address,)}) as resolver:
        rows = told(verify(server.target.name, "--resolver", resolver, "--json"))
    assert {row["address"] for row in rows} == {address, ""}
    seen = {row["seen"]: row["verdict"] for row in rows if row["claim"] == NAME_RESOLVES}
    assert seen == {"A record found": "pass", "no AAAA record": "pass"}


def test_any_port_is_asked_what_587_is_asked(server: MailHost) -> None:
    """A provider's own port for submission; here one that offers AUTH in clear."""
    with server.broken(
        "postconf -M '2525/inet=2525 inet n - y - - smtpd -o smtpd_tls_auth_only=no -o smtpd_sasl_auth_enable=yes"
        f" -o smtpd_sasl_security_options=noanonymous'; {RELOAD}"
    ):
        address = server.lab.host(server.name).address
        rows = told(verify(address, "--port", "2525", "--json"))
    verdicts = {(row["claim"], row["port"]): row["verdict"] for row in rows}
    assert verdicts[NO_AUTH_IN_CLEAR, 2525] == "fail"
    assert verdicts[STARTTLS_OFFERED, 2525] == "pass"
    assert verdicts[NO_RELAY_WITHOUT_LOGIN, 2525] == "pass"


def test_without_a_look_into_the_host_the_address_is_called_our_own(server: MailHost) -> None:
    """Behind a NAT the server sees another one."""
    address = server.lab.host(server.name).address
    done = verify(address, "--port", "587", "--resolver", str(server.target.resolver))
    ours = server.lab.network.gateway4
    assert f"Asked from {ours}; what the server saw is known to the server alone." in done.stdout.splitlines()


def test_a_server_that_is_not_reached_is_no_success() -> None:
    """Nothing is known of it then; one row a claim says so, and the exit status."""
    done = verify("127.0.0.9", "--port", "1", "--port", "2")
    assert done.returncode == 1
    assert "No port of 127.0.0.9 was reached, so nothing is known about it." in done.stdout
    assert done.stdout.count("nothing listens there") == 1
    rows = json.loads(verify("127.0.0.9", "--port", "1", "--port", "2", "--json").stdout)["rows"]
    assert len([row for row in rows if row["claim"] == OLD_VERSIONS_REFUSED]) == 1


@pytest.mark.parametrize("asked", [(), ("--record",)], ids=["not asked for", "asked for"])
def test_a_sealed_record_is_left_where_one_is_asked_for(asked: tuple[str, ...], tmp_path: Path) -> None:
    environment = {"RUNBOOK_RECORDS": str(tmp_path / "records"), "RUNBOOK_RUN": ""}
    words = ["verify", "127.0.0.1", "--port", "1", *asked]
    done = command_line.runbook(*words, cwd=tmp_path, environment=environment)
    assert done.returncode == 1
    assert "No port of 127.0.0.1 was reached" in done.stdout
    runs = check_all(tmp_path / "records").runs if asked else ()
    assert (tmp_path / "records").exists() == bool(asked)
    assert ["Seal: " in done.stderr, len(runs)] == [bool(asked), len(asked)]
    for run in runs:
        assert run.holds, run.report()
        assert run.sealed
        (entry,) = index.read_run(tmp_path / "records" / run.run).entries
        assert {step.claim for step in entry.record.verifications} >= {NAME_RESOLVES}
        assert entry.record.outcome == "planned"


def test_the_root_of_an_own_ca_is_trusted_where_it_is_given(server: MailHost, tmp_path: Path) -> None:
    file = tmp_path / "root.pem"
    file.write_text(server.root.pem)
    asked = (server.target.name, "--resolver", str(server.target.resolver), "--port", "587", "--json")
    verdicts = {
        found: {row["verdict"] for row in told(verify(*asked, *root)) if row["claim"] == CHAIN_VALIDATES}
        for found, root in (("with", ("--root", str(file))), ("without", ()))
    }
    assert verdicts == {"with": {"pass"}, "without": {"fail"}}
    commands = {row["command"] for row in told(verify(*asked, "--root", str(file)))}
    assert any(f"-CAfile {file}" in command for command in commands)
    for content, problem in (("", "has no certificate"), (None, "cannot be read")):
        other = tmp_path / "other.pem"
        other.unlink(missing_ok=True)
        if content is not None:
            other.write_text(content)
        done = verify(*asked, "--root", str(other))
        assert done.returncode == 2
        assert problem in done.stderr


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("mail server",), "'mail server' has a blank in it"),
        (("10.77.300.1",), "'10.77.300.1' is not an IP address"),
        (("mail.example.test", "--port", "0"), "greater than or equal to 1"),
        (("mail.example.test", "--wrong-password"), "--wrong-password is for a HOST"),
        (("mail.example.test", "--resolver", "dns.example.test"), "'dns.example.test' is not an IP address"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(words: tuple[str, ...], problem: str) -> None:
    done = verify(*words)
    assert done.returncode == 2
    assert problem in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
