"""What 465 and 587 do with each restriction list of main.cf: inherit it, leave something out, or ask a person."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.target import wanted
from runbook_lib.mail.target.decisions import Ruling
from runbook_lib.mail.target.restrictions import policy, strangers
from runbook_lib.mail.target.restrictions.parse import Element, parse
from runbook_lib.mail.target.restrictions.table import ENDS, TABLE, Whom
from runbook_lib.messages import joined, message

RELAY = "smtpd_relay_restrictions"
# The lists that a submission service inherits, in the order in which Postfix asks them.
LISTS = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    RELAY,
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
    "smtpd_etrn_restrictions",
)
FACTS: Mapping[str, str] = {"expanded": "postconf -nx 2>/dev/null", **policy.FACTS}


class Fate(StrEnum):
    """What becomes of an element on 465 and 587."""

    KEPT = "kept"
    LEFT_OUT = "left out"
    NOT_MET = "not met"
    OPEN = "you decide"


@dataclass(frozen=True)
class Judged:
    """An element, what becomes of it on 465 and 587, and why."""

    element: Element
    fate: Fate
    why: str


@dataclass(frozen=True)
class JudgedList:
    """A list of main.cf.

    Args:
        parameter: its name.
        value: as main.cf has it.
        elements: in order.
        wrong: why it cannot be read; "" where it can.
        expanded: whether main.cf has `$name` in it, so that what 465 and 587 get is their value of today.
    """

    parameter: str
    value: str
    elements: tuple[Judged, ...]
    wrong: str = ""
    expanded: bool = False

    def with_fate(self, fate: Fate) -> tuple[Element, ...]:
        """The elements with one fate, in order."""
        return tuple(judged.element for judged in self.elements if judged.fate is fate)

    @property
    def is_open(self) -> bool:
        """True where a person has to decide."""
        return bool(self.wrong) or any(judged.fate is Fate.OPEN for judged in self.elements)

    @property
    def option(self) -> str | None:
        """What the submission services set instead, as `-o` has it; None: they inherit the list, or a person decides.

        Commas stand between words, since `-o` takes no blank outside braces (master(5)); what has blanks inside an
        element's own braces goes into the braces of `-o {name=value}` (Postfix 3.0).
        """
        kept = self.with_fate(Fate.KEPT)
        if self.is_open:
            return None
        if self.parameter == RELAY:
            return _option(self.parameter, kept, ["permit_sasl_authenticated", "reject"]) if kept else None
        if not self.with_fate(Fate.LEFT_OUT):
            return None
        if all(TABLE[element.name].whom is Whom.BOTH for element in kept):
            return _option(self.parameter, (), ["permit"])  # nothing that is left refuses anybody
        return _option(self.parameter, kept, [])

    @property
    def told(self) -> str:
        """One sentence: what 465 and 587 do with the list."""
        if self.is_open:
            asked = joined(
                "; ",
                (joined(": ", (j.element.text, j.why)) for j in self.elements if j.fate is Fate.OPEN),
            )
            return message(
                "is it for strangers, or for users on 465 and 587 too? {about}", about=self.wrong or asked
            )
        out, kept = self.with_fate(Fate.LEFT_OUT), self.with_fate(Fate.KEPT)
        if self.parameter == RELAY:
            own = message("kept for port 25; 465 and 587 have their own: a login, or nothing")
            if not self.option:
                return own
            return joined("; ", (own, message("before it {elements}", elements=_listed(kept))))
        if not out:
            return message("465 and 587 inherit it whole")
        if self.option == f"{self.parameter}=permit":
            return message(
                "kept for port 25; 465 and 587 do not inherit it: for strangers ({elements})",
                elements=_listed(out),
            )
        split = message(
            "kept for port 25; 465 and 587 leave out {out}, and keep {kept}",
            out=_listed(out),
            kept=_listed(kept),
        )
        if not self.expanded:
            return split
        return joined("; ", (split, message("$names with their values of today")))


def judge(state: MailState) -> tuple[JudgedList, ...]:
    """Every list that main.cf sets and that is more than the default, judged for 465 and 587."""
    expanded = dict(_entries(state.facts["expanded"].value)) if state.installed else {}
    found = []
    for parameter in LISTS:
        value = state.main_cf.get(parameter)
        if not value or wanted.neutral(parameter, value):
            continue
        text = expanded.get(parameter, value)
        try:
            elements = parse(parameter, text)
        except ValueError as error:
            found.append(JudgedList(parameter, value, (), error.args[0]))
            continue
        judged = tuple(_judged(parameter, elements, state))
        found.append(JudgedList(parameter, value, judged, expanded=text != value))
    return tuple(found)


def stops_users(parameter: str, value: str, state: MailState) -> bool:
    """Whether a list stops users though they logged in, or nobody can tell whether it does."""
    if parameter not in LISTS:
        return False
    try:
        elements = parse(parameter, value)
    except ValueError:
        return True
    return any(judged.fate is Fate.OPEN for judged in _judged(parameter, elements, state))


def options(state: MailState) -> tuple[str, ...]:
    """Further `-o` options of the submission services that the host's restrictions ask for."""
    lists = judge(state)
    found = [judged.option for judged in lists if judged.option is not None]
    early = {"smtpd_client_restrictions", "smtpd_helo_restrictions"}
    if state.main_cf.get("smtpd_delay_reject") == "no" and early & {judged.parameter for judged in lists}:
        found.append("smtpd_delay_reject=yes")
    unlisted = state.main_cf.get("smtpd_reject_unlisted_recipient")
    if unlisted is not None:
        found.append(f"smtpd_reject_unlisted_recipient={unlisted}")
    return tuple(found)


def rulings(state: MailState) -> dict[str, Ruling]:
    """What the lists, and the switches beside them, mean for 465 and 587, by parameter."""
    found = {judged.parameter: Ruling(not judged.is_open, judged.told) for judged in judge(state)}
    switches = {
        "smtpd_delay_reject": message(
            "465 and 587 ask client and HELO restrictions after the login, where there are any"
        ),
        "smtpd_reject_unlisted_recipient": message("a rule for users too: 465 and 587 have the same"),
        "smtpd_reject_unlisted_sender": message("a rule for users too: 465 and 587 inherit it"),
        "smtpd_helo_required": message("465 and 587 inherit it; mail programs say HELO or EHLO"),
    }
    found |= {name: Ruling(False, strangers.NO_START) for name in strangers.without_guard(state)}
    for name, element, answer in strangers.stopped(state):
        if name in found:
            why = joined("; ", (strangers.told(element, answer), found[name].why))
            found[name] = replace(found[name], why=why)
    return found | {name: Ruling(True, why) for name, why in switches.items() if name in state.main_cf}


def _judged(parameter: str, elements: tuple[Element, ...], state: MailState) -> Iterator[Judged]:
    end = ""
    for element in elements:
        if end:
            behind = message("it stands after {element}, which ends the list for who logged in", element=end)
            yield Judged(element, Fate.NOT_MET, behind)
            continue
        fate, why = _fate(element, state)
        if parameter == RELAY:
            fate, why = _relay_fate(element, fate, why)
        yield Judged(element, fate, why)
        if element.name in ENDS:
            end = element.name


def _fate(element: Element, state: MailState) -> tuple[Fate, str]:
    row = TABLE.get(element.name)
    if row is None:
        return Fate.OPEN, message("the table of restrictions does not know it")
    if not element.whole:
        return Fate.OPEN, message("its argument is missing")
    if row.whom is Whom.STRANGERS:
        return Fate.LEFT_OUT, row.why
    if row.whom is Whom.PERSON and not element.only_warns:
        return Fate.OPEN, row.why
    if element.name == "check_policy_service":
        why = policy.for_strangers(element.argument, state.services, state.facts["listeners"].value)
        if why is not None:
            return Fate.LEFT_OUT, why
    return Fate.KEPT, message("it only warns") if element.only_warns else row.why


def _relay_fate(element: Element, fate: Fate, why: str) -> tuple[Fate, str]:
    """The list of who may relay: 465 and 587 have their own answer, and only what can but refuse goes before it."""
    if element.name in ("reject", "defer") or element.name.startswith("permit"):
        return Fate.LEFT_OUT, message("465 and 587 let a login relay, and nothing else")
    if fate is Fate.KEPT and element.name.startswith("check_"):
        return Fate.OPEN, message("it may let strangers relay as well as refuse users")
    return fate, why


def _option(parameter: str, elements: tuple[Element, ...], more: list[str]) -> str:
    words = [word for element in elements for word in element.words]
    # `-o` expands `$name` as main.cf does; what is a dollar after that is written twice (postconf(5)).
    value = ",".join([*words, *more]).replace("$", "$$")
    return f"{{{parameter}={value}}}" if re.search(r"\s", value) else f"{parameter}={value}"


def _listed(elements: tuple[Element, ...]) -> str:
    return ", ".join(element.text for element in elements)


def _entries(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, _, value = line.partition("=")
        yield name.strip(), value.strip()
