"""A certificate that is chosen by the name that a client sends is seen, and so is what the DNS says of certificates."""

from collections.abc import Iterator
from contextlib import contextmanager

import dns.rdata
import probes_dns
import probes_postfix
import pytest
from probes_certificates import Pair, make
from probes_postfix import RELOAD, MailHost, failures

from lab import Lab
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Row, Verdict, tlsa
from runbook_lib.mail.probes.tls import Tls
from runbook_lib.x509.certificate import public_key_sha256

ANOTHER = (
    "another certificate than to who asks by mail12.example.test (Postfix chooses by tls_server_sni_maps)"
)


@pytest.fixture
def host(lab: Lab) -> MailHost:
    return probes_postfix.host(lab)


@contextmanager
def by_name(host: MailHost, chosen: dict[str, Pair], otherwise: Pair | None = None) -> Iterator[None]:
    """Certificates for some names, as tls_server_sni_maps has them; and another one for everybody else."""
    script = ""
    for number, (name, pair) in enumerate(chosen.items()):
        host.write(f"/root/sni{number}.pem", pair.key_pem + pair.pem)
        script += f"cp /root/sni{number}.pem /etc/postfix/; "
        script += f"echo {name} /etc/postfix/sni{number}.pem >>/etc/postfix/sni; "
    if otherwise:
        host.write("/root/otherwise.pem", otherwise.key_pem + otherwise.pem)
        script += "cp /root/otherwise.pem /etc/postfix/probes.pem; "
    script += (
        f"postmap -F hash:/etc/postfix/sni; postconf -e tls_server_sni_maps=hash:/etc/postfix/sni; {RELOAD}"
    )
    with host.broken(script):
        yield


def covered(host: MailHost) -> list[Row]:
    return probes.names_covered(host.survey(account=None))


def told(rows: list[Row]) -> list[tuple[str, str]]:
    return [(str(row.verdict), row.seen) for row in rows]


def test_each_name_and_no_name_is_asked_on_each_port(host: MailHost) -> None:
    """Another certificate for a further name, or for who sends none, is no 'covered'; the good ones are."""
    further = host.names[1]
    assert told(covered(host)) == [
        ("pass", f"{host.target.name}: covered"),
        ("pass", f"{further}: covered"),
        ("pass", "without a name: the same certificate"),
    ]
    with by_name(host, {further: make("Own signed", None, (further,))}):
        rows = covered(host)
    assert told(rows)[1] == (
        "fail",
        f"{further}: port 25 shows {ANOTHER}, not trusted: self-signed certificate to who asks by this name",
    )
    assert f"-servername {further}" in rows[1].command
    assert told(rows)[0][0] == told(rows)[2][0] == "pass"
    with by_name(host, dict.fromkeys(host.names, host.server), make("Other", None, host.names)):
        rows = covered(host)
        assert failures(probes.serial_on_each_port(host.survey(account=None))) == {}
    assert [verdict for verdict, _ in told(rows)] == ["pass", "pass", "fail"]
    assert (
        told(rows)[2][1] == f"without a name: port 25 shows {ANOTHER}, not trusted: self-signed certificate"
    )
    assert "-noservername" in rows[2].command
    with by_name(host, {host.target.name: make("Other", host.root, host.names)}):
        rows = probes.serial_on_each_port(host.survey(account=None, ports=(587,)))
    assert {row.verdict for row in rows} == {Verdict.FAIL}
    assert rows[0].seen.endswith("to who asks by no name: tls_server_sni_maps chooses the other")
    # One of the same CA for everybody else: it is good, and said.
    with by_name(host, dict.fromkeys(host.names, host.server), make("Good", host.root, host.names)):
        survey = host.survey(account=None, expected_serial=None)
        rows = probes.names_covered(survey)
    assert told(rows)[2] == ("pass", f"warning: without a name: port 25 shows {ANOTHER}")


def test_a_certificate_that_demands_stapling_is_told(host: MailHost) -> None:
    staples = make("Staples", host.root, host.names, must_staple=True)
    with host.showing(staples), host.expecting(staples):
        rows = probes.chain_validates(host.survey(account=None, ports=(587,)))
    assert all(row.warns and "Postfix staples none" in row.seen for row in rows)
    assert failures(rows) == {}


SHOWN = make("mail", make("root"), ("mail.example.test",))
TLS = Tls("TLSv1.3", (SHOWN.certificate,))
KEY = public_key_sha256(SHOWN.certificate)


@pytest.mark.parametrize(
    ("records", "judged"),
    [
        ((f"3 1 1 {KEY}",), [("pass", "matches")]),
        (("3 1 1 " + "ab" * 32, "3 0 1 " + "cd" * 32), [("fail", "no mail here"), ("fail", "no mail here")]),
        ((f"3 1 1 {KEY}", "3 1 1 " + "00" * 32), [("pass", "warning: left over"), ("pass", "matches")]),
        ((f"1 1 1 {KEY}",), [("pass", "warning: usage 1 is not for mail")]),
        ((f"3 7 1 {KEY}",), [("pass", "warning: no such selector")]),
    ],
)
def test_each_tlsa_record_has_its_own_verdict(
    records: tuple[str, ...], judged: list[tuple[str, str]]
) -> None:
    found = [dns.rdata.from_text("IN", "TLSA", text) for text in records]
    seen = tlsa.judge("_25._tcp.mail.example.test", found, TLS)
    assert [str(verdict) for verdict, _ in seen] == [verdict for verdict, _ in judged]
    for (_, words), (_, wanted) in zip(seen, judged, strict=True):
        for part in wanted.split("warning: "):
            assert part in words
        assert words.startswith("warning: ") == wanted.startswith("warning: ")


def test_tlsa_records_are_asked_at_the_mx_names_and_compared(host: MailHost) -> None:
    """By the server's own certificate on 25, as other servers see it."""
    own = public_key_sha256(host.server.certificate)
    here = (host.lab.host(host.name).address,)
    name = host.target.name
    records = {
        ("example.test", "MX"): ("10 mx.example.test.", "20 elsewhere.example.test."),
        ("_25._tcp.mx.example.test", "TLSA"): ("3 1 1 " + "ab" * 32,),
        (f"_25._tcp.{name}", "TLSA"): (f"3 1 1 {own}", r"\# 4 03010100"),
    }
    names = {name: here, "mx.example.test": here, "elsewhere.example.test": ("192.0.2.1",)}
    with probes_dns.answering(names, records=records) as resolver:
        rows = probes.tlsa_matches(host.survey(account=None, resolver=resolver, ports=(25,)))
    own_row = f"_25._tcp.{name}: TLSA 3 1 1 {own[:8]}…"
    assert told(rows) == [
        (
            "fail",
            "_25._tcp.mx.example.test: TLSA 3 1 1 abababab… matches nothing that port 25 shows: "
            "servers that heed DANE send no mail here",
        ),
        ("pass", f"warning: _25._tcp.{name}: 1 malformed: heeded by nobody, take it out"),
        ("pass", f"{own_row} matches"),
    ]
    assert rows[0].command.endswith("_25._tcp.mx.example.test TLSA")
