"""Targets: what a look at a host prints for `runbook doctor` and `runbook status`, and for an Enterprise Linux."""

from datetime import UTC, datetime
from typing import cast

import paramiko
from hostile import SaidHost, Target, check_shown, check_texts
from hostile_chains import LEAF
from hostile_inputs import bent, encoded, evil, mostly, numbers, words
from hostile_mail import host
from hypothesis import strategies as st

from runbook_lib.display import escape_bytes
from runbook_lib.doctor import judge, reached
from runbook_lib.doctor.finding import Standing
from runbook_lib.families.known import FAMILIES
from runbook_lib.mail.certificates import of_ports
from runbook_lib.mail.configuration.journaled import POSTFIX
from runbook_lib.mail.target import mta
from runbook_lib.pki import certificate
from runbook_lib.remote import Host, drift
from runbook_lib.remote.facts import Fact

_SEPARATOR = "\x1e"
_NOW = datetime(2026, 11, 26, tzinfo=UTC)


class _Far(SaidHost):
    """A host from which nothing is reached."""

    def open(self) -> "_Far":
        return self

    def open_channel(self, _: str, there: tuple[str, int], *__: object, **___: object) -> None:
        assert 0 < there[1] < 65536
        raise paramiko.ChannelException(2, "connection refused")


def take_doctor(content: bytes) -> bool:
    """What doctor's looks print: a finding for each, whatever it is; never 'ok' for what is not understood."""
    parts = [*escape_bytes(content).split(_SEPARATOR), *[""] * 6][:6]
    disk, locks, broken, ports, clock, sources = (Fact(part, 0) for part in parts)
    found = [
        *judge.disk(disk, packages_missing=True),
        judge.packages({"locks": locks, "broken": broken}, ["postfix"], "apt-get", "dpkg --configure -a"),
        *(judge.port(number, ports, "", postfix_runs=False) for number in (25, 465, 587)),
        judge.clock(clock, _NOW, "mail1"),
    ]
    places = sources.value.split()
    found.append(
        judge.sources({one: reached.from_host(cast(Host, _Far(b"")), one) for one in places}, ["postfix"])
    )
    check_texts(text for one in found for text in (one.what, one.seen, one.to_do))
    assert all(one.to_do for one in found if one.standing in (Standing.STOPS, Standing.WARNING))
    if locks.value.strip():
        assert found[-6].standing is Standing.STOPS
    return all(one.standing in (Standing.OK, Standing.STOPS) for one in found)


def take_drift(content: bytes) -> bool:
    """What a host prints of its journals and of how it is now: differences that it names, or one refusal."""
    text = escape_bytes(content)
    found = drift.drifted(Fact(text, 0), [POSTFIX])
    check_texts(text for one in found for text in (one.what, one.run, one.left, one.now))
    assert all(one.run in text for one in found)
    return bool(found)


def take_told_to_postfix(content: bytes) -> bool:
    """Which files a port is told to show, and their certificates: those that are read are read to their end."""
    found = of_ports.on_disk(Fact(escape_bytes(content), 0))
    if found is None:
        return False
    assert set(found.leaves) <= set(found.certificates)
    check_texts((*map(str, found.paths), *(str(one.subject) for one in found.certificates)))
    return bool(found.leaves)


def take_enterprise_linux(content: bytes) -> bool:
    """What firewalld lists: a service is only called open where the list says so."""
    running, permanent = [*escape_bytes(content).split(_SEPARATOR), ""][:2]
    family = next(one for one in FAMILIES if one.firewall_services)
    facts = {
        "firewalld": Fact("active", 0),
        "firewall": Fact(f"public\n{running}\npermanent:\n{permanent}", 0),
    }
    plan = mta.plan_firewall(facts, family, host()[1])
    assert plan is not None
    check_shown(plan)
    if "smtps" not in running and "465" not in running and "-" not in running:
        assert plan.changes
    return not plan.changes


_disk_line = st.builds(
    "{} {} {} {} {} {}".format, numbers, numbers, st.sampled_from(("rw", "ro", "")), numbers, numbers,
    st.one_of(st.sampled_from(("/", "/etc", "/a b")), words),
)  # fmt: skip
_lines = st.lists(words, max_size=3).map("\n".join)
_lock_line = st.one_of(
    st.builds("{} {} {}".format, st.just("/var/lib/dpkg/lock"), numbers, words),
    st.sampled_from(("/var/lib/dpkg/lock", "/x 7")),
    words,
)
_port_line = st.builds(
    "LISTEN 0 100 {}:{} 0.0.0.0:* {}".format,
    st.sampled_from(("192.0.2.25", "127.0.0.1", "[::1]", "*")),
    st.sampled_from(("25", "465", "587", "2525")),
    st.one_of(st.sampled_from(('users:(("master",pid=9,fd=13))', 'users:(("exim4",pid=7,fd=3))', "")), evil),
)
_source = st.one_of(
    st.sampled_from(
        ("http://a", "https://a:99999", "http://[", "http://[::1]:x", "file:/x", "http://", "cdrom:")
    ),
    words,
)
_doctor = st.builds(
    lambda *parts: encoded(_SEPARATOR.join(parts)),
    st.lists(_disk_line, max_size=3).map("\n".join),
    mostly("", st.lists(_lock_line, max_size=2).map("\n".join)),
    mostly("", _lines),
    st.lists(_port_line, max_size=3).map("\n".join),
    mostly(
        "1795651200.123456789", st.one_of(numbers, st.sampled_from(("nan", "inf", "1e300", "1.%N")), words)
    ),
    st.lists(_source, max_size=3).map("\n".join),
)
_at = mostly("1.001", st.one_of(words, st.builds("{}.{}".format, numbers, numbers)))
_left = st.builds(
    "left\t{}\t20261125T000000Z-aaaa\t{}\t{}\t{}".format,
    _at,
    st.sampled_from(("path", "setting", "service", "unit", "path", "x")),
    st.one_of(st.sampled_from(("/a", "a", "submission/inet")), words),
    words,
)
_is_now = st.one_of(
    st.builds(
        "now\t{}\t{}\t{}".format, st.sampled_from(("path", "unit")), st.sampled_from(("/a", "a")), words
    ),
    st.builds("now\tsetting\ta ={}".format, words),
    st.builds("now\tservice\tsubmission inet {}".format, words),
)
_drift = st.builds(
    lambda lines, odd, end: encoded("\n".join([*lines, *odd, end])),
    st.lists(st.one_of(_left, _is_now), max_size=4),
    mostly("", st.just("x")).flatmap(
        lambda odd: st.lists(words, min_size=1, max_size=1) if odd else st.just([])
    ),
    mostly("all was read", words),
)
_PEM = certificate.as_pem(LEAF).decode()
_files = st.lists(
    st.builds(
        "FILE {}\n{}".format,
        words,
        st.one_of(
            st.sampled_from(
                ("", _PEM, _PEM + _PEM, _PEM.replace("M", "N", 3), "-----BEGIN CERTIFICATE-----\n")
            ),
            bent(st.just(_PEM.encode())).map(lambda pem: pem.decode("utf-8", "replace")),
        ),
    ),
    max_size=3,
).map(lambda files: encoded("\n".join(files)))
_entry = st.one_of(st.sampled_from(("465/tcp", "400-600/tcp", "587/udp", "x-y/tcp", "-/tcp", "²/tcp")), words)
_service = mostly("smtp smtps smtp-submission", st.one_of(st.sampled_from(("smtp", "ssh")), words))
_listed = st.builds(
    "public (active)\n  services: {}\n  ports: {}\n".format,
    _service,
    st.lists(_entry, max_size=3).map(" ".join),
)
_firewalld = st.builds(lambda *listed: encoded(_SEPARATOR.join(listed)), _listed, _listed)

TARGETS = (
    Target("doctor", take_doctor, st.one_of(_doctor, bent(_doctor))),
    Target("drift", take_drift, st.one_of(_drift, bent(_drift))),
    Target("told-to-postfix", take_told_to_postfix, st.one_of(_files, bent(_files))),
    Target("firewalld", take_enterprise_linux, st.one_of(_firewalld, bent(_firewalld))),
)
