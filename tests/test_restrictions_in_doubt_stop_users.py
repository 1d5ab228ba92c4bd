"""A list that nobody can read, or a service that nobody knows, is never taken for one that lets users through."""

import pytest
from mail_states import mail_state

from runbook_lib.mail.target.restrictions import stops_users
from runbook_lib.mail.target.restrictions.policy import for_strangers

RECIPIENT = "smtpd_recipient_restrictions"


@pytest.mark.parametrize(
    ("parameter", "value", "stops"),
    [
        (RECIPIENT, "permit_mynetworks, permit_sasl_authenticated, reject", False),
        (RECIPIENT, "permit_sasl_authenticated, { no_end", True),
        (RECIPIENT, "reject_what_nobody_knows", True),
        ("smtpd_banner", "reject_what_nobody_knows", False),
    ],
)
def test_what_cannot_be_read_stops_users(parameter: str, value: str, stops: bool) -> None:
    assert stops_users(parameter, value, mail_state({})) is stops


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        ("inet:127.0.0.1:10023", "greylisting (postgrey)"),
        ("unix:private/10023", None),  # a path of digits is no port
        ("inet:127.0.0.1:policy", None),  # a port by its name in /etc/services, which is not looked up
        ("inet:127.0.0.1:10024", None),
    ],
)
def test_only_a_port_is_known_by_its_number(endpoint: str, kind: str | None) -> None:
    found = for_strangers(endpoint, {}, "")
    assert found is None if kind is None else found is not None and found.startswith(kind)
