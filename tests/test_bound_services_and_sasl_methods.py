"""Services that are bound to one address, and who checks logins by a smtpd.conf of several methods."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from decided import decided
from mail_states import mail_state
from shaped_host import HOST, applied, session

from lab import Lab
from runbook_lib import inventory
from runbook_lib.families.debian import DEBIAN
from runbook_lib.inventory.place import Place
from runbook_lib.mail.configuration.postconf import ServicesChange
from runbook_lib.mail.differences import services_found
from runbook_lib.mail.target import logins, services
from runbook_lib.remote.facts import Fact
from runbook_lib.remote.files import FileState, Seen


def test_a_service_on_the_loopback_gives_way_to_one_that_users_reach(lab: Lab, tmp_path: Path) -> None:
    lab.reset(HOST, "signed")
    lab.exec(
        HOST,
        "sed -i 's/^smtp  *inet/127.0.0.1:smtp inet/' /etc/postfix/master.cf\n"
        "echo '127.0.0.1:submission inet n - y - - smtpd -o syslog_name=local' >>/etc/postfix/master.cf\n"
        "echo '10.77.250.9:465 inet n - y - - smtpd -o smtpd_tls_wrappermode=yes' >>/etc/postfix/master.cf\n"
        "ip address add 10.77.250.9/32 dev lo; systemctl restart postfix",
    )
    _, told = applied("plan")
    whole = " ".join(" ".join(told).split())
    assert "no such service" not in whole
    assert "it listens on this host itself alone: no mail comes in by port 25 of another address" in whole
    assert "so that nobody reaches port 587 from outside" in whole
    assert "it listens on 10.77.250.9 alone: nobody reaches port 465 by another address" in whole
    places = {"master.cf, 127.0.0.1:smtp/inet": "keep", "master.cf, 127.0.0.1:submission/inet": "replace"}
    places["master.cf, 10.77.250.9:465/inet"] = "replace"
    book = decided(lab, tmp_path, places)
    applied(inventory=book)
    names = lab.exec(HOST, "postconf -M | awk '$2 == \"inet\" { print $1 }'").decode().split()
    assert sorted(names) == ["127.0.0.1:smtp", "submission", "submissions"]
    with session(lab, 587) as smtp:  # who logs in there, as hanako
        assert smtp.noop()[0] == 250
    own = lab.host(HOST)
    for address in (own.address, own.address6):
        with socket.create_connection((address, 465), timeout=30):
            pass
    assert "nothing to do" in applied(inventory=book)[1][-1]


@pytest.mark.parametrize(
    ("name", "where"), [("127.0.0.1:smtp", "this host itself"), ("10.77.4.9:25", "10.77.4.9")]
)
def test_a_bound_port_25_is_a_service_that_may_stay(name: str, where: str, host: inventory.Host) -> None:
    line = f"{name} inet n - y - - smtpd"
    state = mail_state({}, {f"{name}/inet": (line,)}, master=f"{line}\n", host=host)
    (found,) = services_found.differences(state)
    assert (str(found.where), found.found) == (f"master.cf, {name}/inet", line)
    assert f"it listens on {where} alone" in found.why
    assert found.choices.keep


def test_lines_of_one_service_stay_apart_whatever_stands_in_them(host: inventory.Host) -> None:
    """The guard asks for what `postconf -M` prints, and the journal has it: a slash is no end of a line."""
    name = "127.0.0.1:submission/inet"
    lines = tuple(
        f"127.0.0.1:submission inet n - y - - smtpd -o smtpd_banner={banner}" for banner in ("a / b", "c")
    )
    state = mail_state({}, {name: lines}, master="\n".join(lines), host=host)
    (gone,) = [one for one in services.services(state) if one.name == name]
    assert gone.before == lines
    change = ServicesChange((gone,))
    assert [guard.expected for guard in change.guards] == ["\v".join(lines)]
    assert "{}\t{}\t-\n".format(name, "\v".join(lines)) in change.before_commands()
    assert change.as_lines().splitlines() == [f"# without {line}" for line in lines]


TAKES_LOGINS = "-o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes"


@pytest.mark.parametrize(
    ("names", "options", "where", "may_stay"),
    [
        (("10.77.4.9:submission",), TAKES_LOGINS, "10.77.4.9", True),
        (("[fd77::9]:587",), TAKES_LOGINS, "[fd77::9]", True),
        (("10.77.4.9:submission",), "", "10.77.4.9", False),  # it demands no TLS
        (("127.0.0.1:587",), TAKES_LOGINS, "this host itself", False),
        (("10.77.4.8:587", "10.77.4.9:587"), TAKES_LOGINS, "10.77.4.9", False),
        (("submission", "10.77.4.9:587"), TAKES_LOGINS, "10.77.4.9", False),
    ],
)
def test_a_submission_port_of_one_address_is_told_and_gives_way_to_one_of_all(
    names: tuple[str, ...], options: str, where: str, may_stay: bool, host: inventory.Host
) -> None:
    lines = {f"{name}/inet": (f"{name} inet n - y - - smtpd {options}".strip(),) for name in names}
    state = mail_state({}, {"smtp/inet": ("smtp inet n - y - - smtpd",), **lines}, host=host)
    place = Place.master(f"{names[-1]}/inet")
    found = {one.where: one for one in services_found.differences(state)}
    assert f"it listens on {where} alone" in found[place].why
    assert bool(found[place].choices.keep) is may_stay
    assert found[place].choices.replace
    planned = {one.name: one for one in services.services(state)}
    assert planned["submission/inet"].after
    assert all(planned[name].after is None for name in lines if name != "submission/inet")
    kept = host.model_copy(
        update={"decisions": (inventory.Decision(about=str(place), decide="keep", reason="two networks"),)}
    )
    left = {one.name for one in services.services(replace(state, host=kept))}
    assert ("submission/inet" not in left) is may_stay


@pytest.fixture
def host(tmp_path: Path) -> inventory.Host:
    path = tmp_path / "site.yaml"
    path.write_text(
        'site: {name: E, domain: example.jp, ca: {passphrase: "env:CA"}}\n'
        "hosts: {mail1: {address: 192.0.2.25, user: kanri, names: {smtp: mail.example.jp}, "
        'certificate: {key_passphrase: "env:KEY"}}}\n'
    )
    return inventory.load(path).hosts["mail1"]


@pytest.mark.parametrize(
    ("conf", "places", "by", "lacks"),
    [
        ("pwcheck_method: saslauthd auxprop\nmech_list: PLAIN", "saslauthd open /m\nsasldb open /db",
         "saslauthd (shadow), then SASL's auxprop plug-in sasldb", ""),
        ("pwcheck_method: auxprop saslauthd\nmech_list: PLAIN", "saslauthd open /m\nsasldb absent /db",
         "SASL's auxprop plug-in sasldb, then saslauthd (shadow)", ""),
        ("pwcheck_method: saslauthd auxprop\nmech_list: PLAIN", "saslauthd deaf /m\nsasldb absent /db",
         "saslauthd (shadow), then SASL's auxprop plug-in sasldb",
         "/m is there, but nothing listens on it; /db is not there"),
        ("Pwcheck_Method: saslauthd\nMECH_LIST: PLAIN", "saslauthd open /m", "saslauthd (shadow)", ""),
        ("pwcheck_method: saslauthd", "saslauthd open /m", "saslauthd (shadow)",
         "without mech_list smtpd offers mechanisms that saslauthd cannot check"),
        ("pwcheck_method: alwaystrue saslauthd\nmech_list: PLAIN", "saslauthd open /m",
         "SASL's alwaystrue, then saslauthd (shadow)", "pwcheck_method alwaystrue is not known here"),
    ],
)  # fmt: skip
def test_methods_are_tried_in_turn_and_keys_stand_in_any_case(
    conf: str, places: str, by: str, lacks: str, host: inventory.Host
) -> None:
    file = FileState.wanted(conf.encode())
    absent = Seen("absent")
    facts = {
        "login_places": places,
        "saslauthd_masters": "/usr/sbin/saslauthd -a shadow",
        "plain_plugin": "/p",
    }
    state = mail_state({}, host=host)
    state = replace(
        state,
        facts={**state.facts, **{name: Fact(value, 0) for name, value in facts.items()}},
        seen={DEBIAN.smtpd_sasl_conf: Seen(file.line, file), DEBIAN.saslauthd_defaults: absent},
    )
    other = logins.other_login(state)
    assert other is not None
    assert (other.by, other.lacks) == (by, lacks)
