"""What `alternatives` and firewall-cmd print, read; and what follows from it."""

import dataclasses

import pytest
from mail_states import mail_state

from runbook_lib.families.enterprise_linux import ENTERPRISE_LINUX as EL
from runbook_lib.mail.target import mta
from runbook_lib.remote import firewalld
from runbook_lib.remote.alternative import Choice
from runbook_lib.remote.change import Plan
from runbook_lib.remote.facts import Fact
from runbook_lib.remote.firewalld import Opening

POSTFIX, SENDMAIL = "/usr/sbin/sendmail.postfix", "/usr/sbin/sendmail.sendmail"


def displayed(status: str, program: str, **priorities: int) -> str:
    rows = "".join(
        f"/usr/sbin/sendmail.{name} - family {name} priority {number}\n follower mta-pam: /etc/pam.d/smtp.{name}\n"
        for name, number in priorities.items()
    )
    return (
        f"mta - status is {status}.\n link currently points to {program}\n{rows}Current `best' version is …\n"
    )


def plan(text: str, missing: tuple[str, ...] = (), release: str = "9") -> Plan:
    state = mail_state({})
    facts = {**state.facts, "alternative": Fact(text, 0 if text else 2)}
    state = dataclasses.replace(
        state, family=EL, release=EL.releases[release], facts=facts, missing_packages=missing
    )
    found = mta.plan_alternative(state)
    assert found is not None
    return found


def test_a_choice_is_read() -> None:
    choice = Choice.of(displayed("auto", SENDMAIL, sendmail=90, postfix=60))
    assert choice == Choice(True, SENDMAIL, {SENDMAIL: 90, POSTFIX: 60})
    assert Choice.of("") == Choice(False, "", {})


def test_postfix_is_chosen_only_where_it_is_not() -> None:
    assert plan(displayed("auto", POSTFIX, postfix=60)).is_empty
    assert plan(displayed("manual", POSTFIX, sendmail=90, postfix=60)).is_empty
    change = plan(displayed("auto", SENDMAIL, sendmail=90, postfix=60)).changes[0]
    assert change.commands() == f"alternatives --set mta {POSTFIX}"
    assert "(automatic)" in change.diff()


@pytest.mark.parametrize(
    ("text", "release", "needed"),
    [
        ("", "9", False),  # nobody has a choice there yet: the package makes it
        (displayed("auto", SENDMAIL, sendmail=90), "9", True),
        (displayed("auto", "/usr/sbin/sendmail.ssmtp", ssmtp=30), "9", False),
        (displayed("auto", "/usr/sbin/sendmail.ssmtp", ssmtp=30), "7", True),
        (displayed("manual", "/usr/sbin/sendmail.ssmtp", ssmtp=30), "9", True),
    ],
)
def test_before_the_package_is_there_its_priority_decides(text: str, release: str, needed: bool) -> None:
    assert plan(text, ("postfix",), release).is_empty is not needed


def test_debian_has_no_such_choice() -> None:
    assert mta.plan_alternative(mail_state({})) is None


def test_what_a_zone_lets_in_is_read() -> None:
    listed = (
        "public (active)\n  target: default\n  services: dhcpv6-client smtp ssh\n"
        "  ports: 465/tcp 8000-8100/tcp 587/udp\n"
    )
    opening = Opening.of(listed)
    assert opening.lets_in("smtp", 25)
    assert opening.lets_in("smtps", 465)
    assert opening.lets_in("anything", 8050)
    assert not opening.lets_in("smtp-submission", 587)
    assert not opening.lets_in("anything", 8101)


def test_both_of_its_configurations_are_read_in_one_look() -> None:
    now = "public (active)\n  services: ssh smtp\n  ports: "
    later = "public\n  services: ssh\n  ports: 465/tcp"
    zone, running, permanent = firewalld.read(f"public\n{now}\npermanent:\n{later}")
    assert zone == "public"
    assert (running.services, running.ports) == (frozenset({"ssh", "smtp"}), ())
    assert (permanent.services, permanent.ports) == (frozenset({"ssh"}), ("465/tcp",))
