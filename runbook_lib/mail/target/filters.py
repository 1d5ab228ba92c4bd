"""Filters that mail goes through: 465 and 587 inherit those of main.cf, and not those of one service of master.cf."""

import re

from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.target.decisions import Ruling
from runbook_lib.messages import message

# Source: MILTER_README, FILTER_README, SMTPD_PROXY_README; postconf(5). The first three are filters, with their words.
_FILTERS = {
    "smtpd_milters": "milter",
    "content_filter": "content_filter",
    "smtpd_proxy_filter": "smtpd_proxy_filter",
}
_BESIDE = (
    "milter_default_action",
    "smtpd_milter_maps",
    "smtpd_proxy_options",
    "smtpd_proxy_timeout",
    "receive_override_options",
)
_ALL = (*_FILTERS, *_BESIDE)


def told(state: MailState) -> tuple[str, ...]:
    """Through which filters mail from 465 and 587 will go, and which are port 25's alone; () where there are none."""
    through = [
        f"{word} {place}"
        for name, word in _FILTERS.items()
        for place in _places(name, state.main_cf.get(name, ""))
    ]
    found = []
    if through:
        found.append(
            message(
                "Mail from 465 and 587 goes through {filters}: main.cf sets it, they inherit it.",
                filters=", ".join(through),
            )
        )
    if "smtpd_milters" in state.main_cf:
        action = state.main_cf.get("milter_default_action", message("tempfail, the default"))
        found.append(
            message("Where a milter does not answer, milter_default_action counts: {action}.", action=action)
        )
    if "receive_override_options" in state.main_cf:
        found.append(
            message(
                "receive_override_options {value} counts for them as well.",
                value=state.main_cf["receive_override_options"],
            )
        )
    only = only_on_25(state)
    if only:
        found.append(
            message(
                "Mail from 465 and 587 does not go through what master.cf sets for port 25 alone: {options}.",
                options=only,
            )
        )
    return tuple(found)


def rulings(state: MailState) -> dict[str, Ruling]:
    """What each filter of main.cf means for 465 and 587, by parameter."""
    return {
        name: Ruling(
            True,
            message("mail from 465 and 587 goes through it too")
            if name in _FILTERS
            else message("465 and 587 inherit it"),
        )
        for name in _ALL
        if name in state.main_cf
    }


def only_on_25(state: MailState) -> str:
    """The `-o` options of port 25's service where all of them are about filters; '' where it has none, or others too.

    A filter that stands on the service, not in main.cf, was given to that service alone (master(5)): a spam filter for
    what comes in, as a rule. So it stays there, and the submission services do not get it.
    """
    lines = state.services.get("smtp/inet", ())
    if len(lines) != 1:
        return ""
    found = re.findall(r" -o (?:\{ ?(?P<braced>.*?)\}(?= -o |$)|(?P<plain>\S+))", lines[0])
    options = [braced.strip() or plain for braced, plain in found]
    names = {option.partition("=")[0].strip() for option in options}
    return ", ".join(options) if names and names <= set(_ALL) else ""


def _places(name: str, value: str) -> list[str]:
    """A list of milters; the other filters are one."""
    if name != "smtpd_milters":
        return [value] if value else []
    return re.findall(r"\{.*?\}|[^\s,{]+", value)
