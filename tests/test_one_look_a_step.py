"""Before a change the host is looked at once, and a plan is made without the others where it does not need them."""

from dataclasses import replace
from unittest import mock

import pytest
from mail_states import mail_state

from runbook_lib.chapters import first_change, postfix
from runbook_lib.chapters import mail_state as looking
from runbook_lib.mail.flow import MailFlow
from runbook_lib.mail.target import chapter_plans
from runbook_lib.remote.change import Plan
from runbook_lib.remote.facts import NOT_INSTALLED, Fact

NOBODY = dict.fromkeys(("comments_of_owners", "signs_of_managers", "in_puppets_lists"), "")
PUPPET = NOBODY | {"in_puppets_lists": "[/etc/pam.d/smtp]"}


@pytest.mark.parametrize(("status", "looks"), [(0, 1), (NOT_INSTALLED, 3)])
def test_before_a_change_the_host_is_looked_at_while_something_is_to_be_asked(
    status: int, looks: int
) -> None:
    """A change may bring Postfix; until one did, there is no smtpd that could be tried."""
    state = mail_state({})
    state = replace(state, facts={**state.facts, "mail_version": Fact("3.7.11", status)})
    chapter = postfix.Postfix("20-postfix-debian", "", *(mock.Mock() for _ in range(4)))
    with (
        mock.patch.object(looking, "read", return_value=state) as read,
        mock.patch.object(postfix, "_refuse") as refused,
        mock.patch.object(first_change, "tried", return_value=""),
        mock.patch.object(postfix.SampledChapter, "_recipient"),
        mock.patch.object(MailFlow, "start") as sampled,
    ):
        for number in ("001", "002", "003"):
            chapter.made_ready(Plan("main.cf"))
            chapter._numbers.append(number)
    assert (read.call_count, refused.call_count, sampled.call_count) == (looks, 1, 1)


@pytest.mark.parametrize(("owners", "others"), [(NOBODY, 0), (PUPPET, 1)])
def test_the_other_plans_are_made_only_where_somebody_owns_a_file(
    owners: dict[str, str], others: int
) -> None:
    other = mock.Mock(return_value=None)
    with mock.patch.object(chapter_plans, "_MADE", (other,)):
        plan = chapter_plans.settings(mail_state({}, more=owners))
    assert plan.changes
    assert other.call_count == others
