"""How many words follow an element of a restriction list is Postfix's to say; one too many would swallow the next."""

import re

import pytest

from runbook_lib.mail.target.restrictions.parse import parse
from runbook_lib.mail.target.restrictions.table import SHORT_HAND, TABLE

# Source: postconf(5): tables, lists of DNS, policy services and `sleep` take one word, and nothing takes two.
TAKES_A_WORD = re.compile(r"check_\w+|(reject|permit)_(rbl|rhsbl|dnswl|rhswl)_\w+|sleep")


@pytest.mark.parametrize("name", TABLE)
def test_an_element_takes_the_words_that_postfix_gives_it(name: str) -> None:
    takes = bool(TAKES_A_WORD.fullmatch(name))
    assert TABLE[name].arguments == takes
    elements = parse("smtpd_recipient_restrictions", f"{name} permit")
    assert [one.text for one in elements] == ([f"{name} permit"] if takes else [name, "permit"])


@pytest.mark.parametrize("parameter", SHORT_HAND)
def test_what_a_bare_table_stands_for_takes_the_table(parameter: str) -> None:
    assert TABLE[SHORT_HAND[parameter]].arguments == 1
    (element,) = parse(parameter, "hash:/etc/there")
    assert element.argument == "hash:/etc/there"
