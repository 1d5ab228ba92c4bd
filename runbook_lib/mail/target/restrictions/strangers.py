"""What the lists of main.cf do to other servers on port 25: whether smtpd starts with them, and takes any mail."""

from collections.abc import Iterator, Mapping

from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.target.restrictions.parse import Element, parse
from runbook_lib.messages import message

RELAY, RECIPIENT = "smtpd_relay_restrictions", "smtpd_recipient_restrictions"
_LISTS = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    RELAY,
    RECIPIENT,
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
)
_STOPS = {"reject": "554", "defer": "450", "defer_if_permit": "450"}
# One of them keeps a Postfix from being an open relay; without any of them smtpd does not start (smtpd_check.c).
_GUARDS = {"reject_unauth_destination", "defer_unauth_destination", "check_relay_domains", *_STOPS}
# They let nobody by who is a stranger: no client of ours, no login, no certificate.
_LET_NO_STRANGER_BY = {
    "permit_mynetworks",
    "permit_inet_interfaces",
    "permit_sasl_authenticated",
    "permit_tls_clientcerts",
    "permit_tls_all_clientcerts",
}
NO_START = message(
    "smtpd does not start with it, and no port takes a connection: in smtpd_relay_restrictions or "
    "smtpd_recipient_restrictions something has to keep strangers from relaying"
)
GUARD = message("add reject_unauth_destination at the end")


def without_guard(state: MailState) -> tuple[str, ...]:
    """The lists that main.cf sets and that smtpd does not start with; () where it does.

    Source: postconf(5), smtpd_relay_restrictions: 'IMPORTANT: Either the smtpd_relay_restrictions or the
    smtpd_recipient_restrictions parameter must specify at least one of the following restrictions.'
    """
    expanded = _expanded(state)
    if RELAY not in state.main_cf:
        return ()  # Postfix's own default has a guard
    for name in (RELAY, RECIPIENT):
        elements = _parsed(name, expanded.get(name, ""))
        if elements is None or _has_guard(elements, expanded, depth=3):
            return ()
    return tuple(name for name in (RELAY, RECIPIENT) if name in state.main_cf)


def stopped(state: MailState) -> Iterator[tuple[str, str, str]]:
    """Lists that refuse every stranger, whatever the mail is: the list, the element that does it, its answer."""
    expanded = _expanded(state)
    for name in _LISTS:
        for element in _parsed(name, expanded.get(name, "")) or ():
            if element.only_warns:
                continue
            if element.name in _STOPS:
                yield name, element.text, _STOPS[element.name]
            if element.name in _STOPS or not _passes_on(element):
                break


def told(element: str, answer: str) -> str:
    """What such a list does, in a sentence."""
    return message(
        "{element} answers every stranger with {answer}: port 25 takes no mail from other servers",
        element=element,
        answer=answer,
    )


def _passes_on(element: Element) -> bool:
    """Whether a stranger who is not refused by an element comes to the next one."""
    return element.name in _LET_NO_STRANGER_BY or element.name.startswith(("reject_", "defer_unauth_"))


def _has_guard(elements: tuple[Element, ...], values: Mapping[str, str], depth: int) -> bool:
    classes = values.get("smtpd_restriction_classes", "").replace(",", " ").lower().split()
    for element in elements:
        if element.only_warns:
            continue
        if element.name in _GUARDS:
            return True
        if element.name == "permit":
            return False
        if element.name in classes and depth:
            inner = _parsed(RECIPIENT, values.get(element.name, ""))
            if inner is None or _has_guard(inner, values, depth - 1):
                return True
    return False


def _expanded(state: MailState) -> dict[str, str]:
    rows = (row.partition("=") for row in state.facts["expanded"].value.splitlines() if "=" in row)
    return {name.strip(): value.strip() for name, _, value in rows}


def _parsed(name: str, value: str) -> tuple[Element, ...] | None:
    """None where the list cannot be read, which is another rule's affair."""
    try:
        return parse(name, value)
    except ValueError:
        return None
