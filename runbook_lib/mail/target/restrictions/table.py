"""The elements of Postfix's restriction lists, as data: how many arguments each takes, and whom it is meant for.

One thought decides: a user who logged in may sit behind any connection and any machine, so what asks about the client's
machine (its address, its name, its HELO, its manners) is for strangers; what asks about the login or about the mail's
own addresses is for users too. What refuses everybody without asking anything is for a person to judge.
"""

from dataclasses import dataclass
from enum import StrEnum

from runbook_lib.messages import joined, message


class Whom(StrEnum):
    """Whom an element is meant for."""

    STRANGERS = "strangers"
    USERS = "users"
    BOTH = "both"  # it lets pass or steers; nobody is refused by it
    PERSON = "a person decides"


@dataclass(frozen=True)
class Restriction:
    """An element of a restriction list.

    Args:
        name: as postconf(5) has it; Postfix does not mind upper case.
        arguments: words that follow it.
        whom: whom it is meant for.
        why: the reason.
    """

    name: str
    arguments: int
    whom: Whom
    why: str


_NAME = message("a user's address has whatever name the provider gave it, or none")
_LISTED = message("a user's own connection may be listed: providers' address pools are (Spamhaus PBL, say)")
_HELO = message("phones and mail programs say what they like (RFC 5321, 4.1.4: no reason to refuse)")
_HELO_TABLE = message("a table of HELO names: {why}", why=_HELO)
_TABLE = message("a table of this site; it counts for users as well")
_LOGIN = message("it binds the sender's address to the login")
_ADDRESS = message("it asks about the mail's own addresses, whoever sends")
_LETS_BY = message("it lets pass and refuses nobody")
_ALL = message("it stops every user who comes this far")

_ROWS: tuple[tuple[str, int, Whom, str], ...] = (
    # smtpd_client_restrictions
    ("reject_unknown_client_hostname", 0, Whom.STRANGERS, _NAME),
    ("reject_unknown_client", 0, Whom.STRANGERS, _NAME),
    ("reject_unknown_reverse_client_hostname", 0, Whom.STRANGERS, _NAME),
    ("reject_rbl_client", 1, Whom.STRANGERS, _LISTED),
    ("reject_rhsbl_client", 1, Whom.STRANGERS, _LISTED),
    ("reject_rhsbl_reverse_client", 1, Whom.STRANGERS, _LISTED),
    (
        "permit_dnswl_client",
        1,
        Whom.STRANGERS,
        message("a list of good strangers; a user has a login instead"),
    ),
    (
        "permit_rhswl_client",
        1,
        Whom.STRANGERS,
        message("a list of good strangers; a user has a login instead"),
    ),
    ("check_client_access", 1, Whom.USERS, _TABLE),
    ("check_client_a_access", 1, Whom.USERS, _TABLE),
    ("check_client_mx_access", 1, Whom.USERS, _TABLE),
    ("check_client_ns_access", 1, Whom.USERS, _TABLE),
    ("check_reverse_client_hostname_access", 1, Whom.USERS, _TABLE),
    ("check_reverse_client_hostname_a_access", 1, Whom.USERS, _TABLE),
    ("check_reverse_client_hostname_mx_access", 1, Whom.USERS, _TABLE),
    ("check_reverse_client_hostname_ns_access", 1, Whom.USERS, _TABLE),
    ("check_ccert_access", 1, Whom.USERS, _TABLE),
    ("check_sasl_access", 1, Whom.USERS, message("a table of logins")),
    ("permit_inet_interfaces", 0, Whom.BOTH, _LETS_BY),
    (
        "permit_mynetworks",
        0,
        Whom.BOTH,
        joined("; ", (_LETS_BY, message("clients of mynetworks skip what follows it"))),
    ),
    ("permit_sasl_authenticated", 0, Whom.BOTH, message("who logged in skips what follows it")),
    ("permit_tls_all_clientcerts", 0, Whom.BOTH, _LETS_BY),
    ("permit_tls_clientcerts", 0, Whom.BOTH, _LETS_BY),
    # smtpd_helo_restrictions
    ("reject_invalid_helo_hostname", 0, Whom.STRANGERS, _HELO),
    ("reject_invalid_hostname", 0, Whom.STRANGERS, _HELO),
    ("reject_non_fqdn_helo_hostname", 0, Whom.STRANGERS, _HELO),
    ("reject_non_fqdn_hostname", 0, Whom.STRANGERS, _HELO),
    ("reject_unknown_helo_hostname", 0, Whom.STRANGERS, _HELO),
    ("reject_unknown_hostname", 0, Whom.STRANGERS, _HELO),
    ("reject_rhsbl_helo", 1, Whom.STRANGERS, _HELO),
    ("check_helo_access", 1, Whom.STRANGERS, _HELO_TABLE),
    ("check_helo_a_access", 1, Whom.STRANGERS, _HELO_TABLE),
    ("check_helo_mx_access", 1, Whom.STRANGERS, _HELO_TABLE),
    ("check_helo_ns_access", 1, Whom.STRANGERS, _HELO_TABLE),
    # smtpd_sender_restrictions
    ("reject_sender_login_mismatch", 0, Whom.USERS, _LOGIN),
    ("reject_authenticated_sender_login_mismatch", 0, Whom.USERS, _LOGIN),
    ("reject_known_sender_login_mismatch", 0, Whom.USERS, _LOGIN),
    ("reject_unauthenticated_sender_login_mismatch", 0, Whom.USERS, _LOGIN),
    ("reject_non_fqdn_sender", 0, Whom.USERS, _ADDRESS),
    ("reject_unknown_sender_domain", 0, Whom.USERS, _ADDRESS),
    ("reject_unlisted_sender", 0, Whom.USERS, _ADDRESS),
    ("reject_unverified_sender", 0, Whom.USERS, _ADDRESS),
    ("reject_rhsbl_sender", 1, Whom.STRANGERS, message("a DNS list of domains that strangers claim")),
    ("check_sender_access", 1, Whom.USERS, _TABLE),
    ("check_sender_a_access", 1, Whom.USERS, _TABLE),
    ("check_sender_mx_access", 1, Whom.USERS, _TABLE),
    ("check_sender_ns_access", 1, Whom.USERS, _TABLE),
    # smtpd_recipient_restrictions
    ("reject_non_fqdn_recipient", 0, Whom.USERS, _ADDRESS),
    ("reject_unknown_recipient_domain", 0, Whom.USERS, _ADDRESS),
    ("reject_unlisted_recipient", 0, Whom.USERS, _ADDRESS),
    ("reject_unverified_recipient", 0, Whom.USERS, _ADDRESS),
    (
        "reject_rhsbl_recipient",
        1,
        Whom.STRANGERS,
        message("a DNS list of domains; users write to whom they like"),
    ),
    ("check_recipient_access", 1, Whom.USERS, _TABLE),
    ("check_recipient_a_access", 1, Whom.USERS, _TABLE),
    ("check_recipient_mx_access", 1, Whom.USERS, _TABLE),
    ("check_recipient_ns_access", 1, Whom.USERS, _TABLE),
    (
        "reject_unauth_destination",
        0,
        Whom.STRANGERS,
        message("users send to other domains; without a login smtpd_relay_restrictions refuses"),
    ),
    (
        "defer_unauth_destination",
        0,
        Whom.STRANGERS,
        message("users send to other domains; without a login smtpd_relay_restrictions refuses"),
    ),
    ("permit_auth_destination", 0, Whom.BOTH, _LETS_BY),
    ("permit_mx_backup", 0, Whom.BOTH, _LETS_BY),
    # smtpd_etrn_restrictions
    ("check_etrn_access", 1, Whom.USERS, _TABLE),
    # any list
    (
        "check_policy_service",
        1,
        Whom.USERS,
        message("a policy service of this site; it counts for users as well"),
    ),
    ("reject_multi_recipient_bounce", 0, Whom.USERS, _ADDRESS),
    (
        "reject_plaintext_session",
        0,
        Whom.USERS,
        message("465 and 587 are encrypted, so it refuses nobody there"),
    ),
    (
        "reject_unauth_pipelining",
        0,
        Whom.STRANGERS,
        message("it stops bulk mailers; Postfix's own submission stanza turns its kin off (3.9, master.cf)"),
    ),
    ("sleep", 1, Whom.STRANGERS, message("it makes strangers wait")),
    ("permit", 0, Whom.BOTH, message("everybody skips what follows it")),
    ("defer_if_reject", 0, Whom.USERS, message("it only turns a refusal further on into 'later'")),
    ("reject", 0, Whom.PERSON, _ALL),
    ("defer", 0, Whom.PERSON, _ALL),
    ("defer_if_permit", 0, Whom.PERSON, _ALL),
)

# Source: postconf(5), the lists' own sections; SMTPD_ACCESS_README; SMTPD_POLICY_README.
TABLE = {name: Restriction(name, arguments, whom, why) for name, arguments, whom, why in _ROWS}

# What ends a list for everybody who logged in.
ENDS = frozenset({"permit", "permit_sasl_authenticated"})

# The element that a bare `TYPE:TABLE` stands for, by list (postconf(5), 'type:table').
SHORT_HAND = {
    "smtpd_client_restrictions": "check_client_access",
    "smtpd_helo_restrictions": "check_helo_access",
    "smtpd_sender_restrictions": "check_sender_access",
    "smtpd_relay_restrictions": "check_recipient_access",
    "smtpd_recipient_restrictions": "check_recipient_access",
    "smtpd_etrn_restrictions": "check_etrn_access",
}
