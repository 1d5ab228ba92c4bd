"""Mail that arrives while Postfix is to take up its files is no fault of the files."""

import pytest

from lab import Lab
from runbook_lib.chapters import postfix
from runbook_lib.errors import CommandFailed

pytestmark = pytest.mark.usefixtures("as_a_batch")

HOST = "debian12"
# A mail has a name of this form while cleanup(8) and postdrop(1) make its file (mail_queue_enter).
ARRIVES = "install -o postfix -g postfix -m 600 /dev/null /var/spool/postfix/incoming/821730.3371"


@pytest.fixture
def chapter(lab: Lab) -> postfix.Postfix:
    """Applied before; its files are newer than the running Postfix."""
    lab.reset(HOST, "applied")
    lab.exec(HOST, "sleep 1.1; touch /etc/postfix/main.cf")  # when Postfix was started is known to the second
    return postfix.open("lab", HOST)


def test_it_is_taken_up_while_mail_arrives(lab: Lab, chapter: postfix.Postfix) -> None:
    plan = chapter.plan_taking_up()
    assert [change.title for change in plan.changes] == [
        "Postfix is reloaded: its files are newer than the running Postfix"
    ]
    lab.exec(HOST, ARRIVES)
    assert b"bogus file name: incoming/821730.3371" in lab.exec(HOST, "postfix check 2>&1")
    assert "1 change made" in chapter.apply(plan).text()


def test_a_file_that_is_no_mail_to_come_still_stops_it(lab: Lab, chapter: postfix.Postfix) -> None:
    plan = chapter.plan_taking_up()
    assert plan.changes
    lab.exec(HOST, ARRIVES.replace("821730.3371", "no-mail"))
    with pytest.raises(CommandFailed, match="bogus file name: incoming/no-mail"):
        chapter.apply(plan)
