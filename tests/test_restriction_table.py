"""Restriction lists as Postfix reads them, and what 465 and 587 get of each: table and parser, without a host."""

import pytest
from mail_states import mail_state

from runbook_lib.mail.target import filters
from runbook_lib.mail.target.restrictions import judge, options, rulings
from runbook_lib.mail.target.restrictions.parse import parse, words
from runbook_lib.mail.target.restrictions.policy import for_strangers
from runbook_lib.mail.target.restrictions.table import SHORT_HAND, TABLE, Whom

SENDER, RECIPIENT = "smtpd_sender_restrictions", "smtpd_recipient_restrictions"
RELAY, CLIENT = "smtpd_relay_restrictions", "smtpd_client_restrictions"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ()),
        (" a,b\tc ,, d\n", ("a", "b", "c", "d")),
        ("a { b, c } d", ("a", "{ b, c }", "d")),
        ("a inline:{ {x@y = REJECT no, never} } b", ("a", "inline:{ {x@y = REJECT no, never} }", "b")),
        ("a } b", ("a", "}", "b")),
    ],
)
def test_words_are_split_at_commas_and_blanks_but_not_in_braces(
    value: str, expected: tuple[str, ...]
) -> None:
    assert words(value) == expected


def test_a_brace_that_is_not_closed_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"not closed: \{ b"):
        words("a { b")


def test_arguments_belong_to_their_element_and_case_does_not_matter() -> None:
    found = parse(
        RECIPIENT,
        "Permit_MyNetworks, reject_rbl_client zen.example=127.0.0.[2;4],check_sender_access hash:/x",
    )
    assert [element.name for element in found] == [
        "permit_mynetworks",
        "reject_rbl_client",
        "check_sender_access",
    ]
    assert found[1].text == "reject_rbl_client zen.example=127.0.0.[2;4]"
    assert found[2].argument == "hash:/x"


def test_a_bare_table_stands_for_the_access_check_of_its_list() -> None:
    assert {name: parse(name, "hash:/x")[0].name for name in SHORT_HAND} == SHORT_HAND
    assert parse("smtpd_data_restrictions", "hash:/x")[0].name not in TABLE


def test_warn_if_reject_belongs_to_what_follows_it() -> None:
    first, second = parse(SENDER, "warn_if_reject reject_rbl_client a.example, permit warn_if_reject")
    assert first.only_warns
    assert first.name == "reject_rbl_client"
    assert not second.only_warns


def test_an_argument_that_is_missing_is_noticed() -> None:
    assert not parse(SENDER, "check_sender_access")[0].whole


# A list, its value, and the option that 465 and 587 get; None: they inherit it.
OPTIONS = [
    (SENDER, "reject_sender_login_mismatch", None),
    (SENDER, "permit_mynetworks, permit_sasl_authenticated, reject_rbl_client a.example", None),
    (SENDER, "permit, reject", None),
    (SENDER, "reject_unknown_client_hostname", "permit"),
    (SENDER, "permit_mynetworks, reject_unknown_client_hostname", "permit"),
    (SENDER, "warn_if_reject reject_rbl_client a.example, warn_if_reject reject", "warn_if_reject,reject"),
    (
        SENDER,
        "permit_mynetworks reject_rbl_client a.example, check_sender_access hash:/x permit_sasl_authenticated, reject",
        "permit_mynetworks,check_sender_access,hash:/x,permit_sasl_authenticated",
    ),
    (RECIPIENT, "reject_unauth_destination", "permit"),
    (RECIPIENT, "check_policy_service inet:127.0.0.1:10031, reject_unauth_destination",
     "check_policy_service,inet:127.0.0.1:10031"),
    (RECIPIENT, "check_policy_service { inet:127.0.0.1:10023, timeout=10s }", "permit"),
    (CLIENT, "hash:/x, sleep 5", "hash:/x"),
    ("smtpd_helo_restrictions", "hash:/x, reject_unknown_helo_hostname", "permit"),
    ("smtpd_data_restrictions", "reject_unauth_pipelining", "permit"),
    ("smtpd_end_of_data_restrictions", "check_policy_service unix:private/quota", None),
    (RELAY, "permit_mynetworks permit_sasl_authenticated defer_unauth_destination", None),
    (RELAY, "permit_mynetworks, reject_unauth_destination", None),
    (RELAY, "permit_sasl_authenticated, check_client_access hash:/x, reject", None),
    (
        RELAY,
        "permit_mynetworks, reject_non_fqdn_recipient, reject_sender_login_mismatch, permit_sasl_authenticated, reject",
        "reject_non_fqdn_recipient,reject_sender_login_mismatch,permit_sasl_authenticated,reject",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("parameter", "value", "option"), OPTIONS)
def test_what_465_and_587_get_of_a_list(parameter: str, value: str, option: str | None) -> None:
    state = mail_state({parameter: value})
    assert options(state) == (() if option is None else (f"{parameter}={option}",))
    assert all(ruling.kept for ruling in rulings(state).values())


def test_blanks_within_an_element_go_into_braces_and_dollars_are_doubled() -> None:
    table = "inline:{ {a@b = REJECT not $5} }"
    value = f"sleep 1, check_sender_access {table.replace('$', '$$')}"
    state = mail_state({SENDER: value}, expanded={SENDER: f"sleep 1, check_sender_access {table}"})
    assert options(state) == (
        "{smtpd_sender_restrictions=check_sender_access,inline:{ {a@b = REJECT not $$5} }}",
    )


def test_a_name_is_read_with_its_value() -> None:
    state = mail_state({SENDER: "$mine, sleep 1"}, expanded={SENDER: "reject_unlisted_sender, sleep 1"})
    assert options(state) == ("smtpd_sender_restrictions=reject_unlisted_sender",)
    assert judge(state)[0].told.endswith("$names with their values of today")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (SENDER, "reject_frobnication, permit_sasl_authenticated"),
        (SENDER, "$nobody_knows"),
        (SENDER, "check_sender_access hash:/x, reject"),
        (SENDER, "defer_if_permit"),
        (SENDER, "check_sender_access"),
        (SENDER, "check_sender_access { hash:/x"),
        ("smtpd_data_restrictions", "hash:/x"),
        (RELAY, "check_client_access hash:/x, permit_sasl_authenticated, reject"),
        (RELAY, "own_class, permit_sasl_authenticated, reject"),
    ],
)
def test_what_nobody_can_tell_is_open_and_writes_nothing(parameter: str, value: str) -> None:
    state = mail_state({parameter: value})
    assert options(state) == ()
    assert not rulings(state)[parameter].kept


def test_switches_beside_the_lists() -> None:
    state = mail_state({"smtpd_delay_reject": "no", "smtpd_reject_unlisted_recipient": "yes"})
    assert options(state) == ("smtpd_reject_unlisted_recipient=yes",)
    asked_early = mail_state({"smtpd_delay_reject": "no", CLIENT: "check_client_access hash:/x"})
    assert options(asked_early) == ("smtpd_delay_reject=yes",)


@pytest.mark.parametrize(
    ("endpoint", "services", "listeners", "kind"),
    [
        ("inet:127.0.0.1:10023", {}, "", "greylisting (postgrey)"),
        ("inet:127.0.0.1:10023", {}, "inet 10023 ownpolicy", None),
        ("inet:127.0.0.1:9000", {}, "inet 9000 sqlgrey", "greylisting (sqlgrey)"),
        ("inet:policy.example:9000", {}, "inet 9000 sqlgrey", None),
        ("unix:postgrey/socket", {}, "unix /var/spool/postfix/postgrey/socket postgrey", "greylisting (postgrey)"),
        ("unix:private/quota", {}, "", None),
        (
            "unix:private/checks",
            {"checks/unix": ("checks unix - n n - 0 spawn user=policyd-spf argv=/usr/bin/policyd-spf",)},
            "",
            "SPF (policyd-spf)",
        ),
        (
            "unix:private/checks",
            {"checks/unix": ("checks unix - n n - 0 spawn user=nobody argv=/usr/bin/perl /opt/tumgreyspf.pl",)},
            "",
            "greylisting and SPF (tumgreyspf)",
        ),
        (
            "{ inet:127.0.0.1:9998, timeout=10s }",
            {"127.0.0.1:9998/inet": ("127.0.0.1:9998 inet n n n - 0 spawn user=nobody argv=/opt/quota",)},
            "",
            None,
        ),
    ],
)  # fmt: skip
def test_a_policy_service_is_known_by_what_answers(
    endpoint: str, services: dict[str, tuple[str, ...]], listeners: str, kind: str | None
) -> None:
    found = for_strangers(endpoint, services, listeners)
    assert found is None if kind is None else found is not None and found.startswith(kind)


def test_every_row_of_the_table_has_a_reason_and_permits_refuse_nobody() -> None:
    assert [row.name for row in TABLE.values() if not row.why or row.arguments not in (0, 1)] == []
    refuses = {
        row.name for row in TABLE.values() if row.whom is Whom.BOTH and not row.name.startswith("permit")
    }
    assert refuses == set()


def test_filters_are_told_by_where_they_stand() -> None:
    state = mail_state(
        {
            "smtpd_milters": "inet:127.0.0.1:8891, { unix:/run/x, default_action=accept }",
            "content_filter": "scan:[127.0.0.1]:10025",
            "receive_override_options": "no_address_mappings",
        },
        {"smtp/inet": ("smtp inet n - y - - smtpd -o smtpd_proxy_filter=127.0.0.1:10024",)},
    )
    through, action, override, alone = filters.told(state)
    assert "milter inet:127.0.0.1:8891, milter { unix:/run/x, default_action=accept }" in through
    assert "content_filter scan:[127.0.0.1]:10025" in through
    assert "tempfail, the default" in action
    assert "no_address_mappings" in override
    assert alone.endswith("smtpd_proxy_filter=127.0.0.1:10024.")
    assert filters.told(mail_state({})) == ()


@pytest.mark.parametrize(
    ("line", "only"),
    [
        ("smtp inet n - y - - smtpd", ""),
        ("smtp inet n - y - - smtpd -o content_filter=scan:x", "content_filter=scan:x"),
        (
            "smtp inet n - y - - smtpd -o {smtpd_milters=inet:h:1, inet:h:2} -o content_filter=x",
            "smtpd_milters=inet:h:1, inet:h:2, content_filter=x",
        ),
        ("smtp inet n - y - - smtpd -o content_filter=x -o smtpd_sasl_auth_enable=yes", ""),
        ("smtp inet n - y - 1 postscreen", ""),
    ],
)
def test_a_filter_of_port_25_alone_is_one_where_nothing_else_stands(line: str, only: str) -> None:
    assert filters.only_on_25(mail_state({}, {"smtp/inet": (line,)})) == only
