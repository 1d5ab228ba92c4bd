"""Before the first change of a run: what chapter 2 would refuse, it refuses while nothing is made.

In a batch key and certificate come before chapter 2. They would be made for nothing, and a certificate issued, where
that chapter cannot go on; so it is asked before chapter 1-1 begins.
"""

from runbook_lib.chapters import decisions, mail_state
from runbook_lib.chapters.opening import Opened
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.differences import judged
from runbook_lib.mail.target import chapter_plans, pairs, postfix, trial
from runbook_lib.messages import joined, message
from runbook_lib.records import origin
from runbook_lib.remote.change import quote
from runbook_lib.remote.journal import Journal

_NO_PLACE = message("SELinux knows no place for one")


def refuse(opened: Opened, journal: Journal) -> None:
    """In a batch that comes to chapter 2: what stops it there stops the host before chapter 1-1.

    That is what a person still has to decide, packages that are held, a key that does not fit the certificate that
    stays, and what smtpd itself refuses. By hand the chapters before it go on: key and certificate need none of it.

    Raises:
        ApplyRefused: as chapter 2 would. Nothing was changed.
    """
    if opened.family.postfix_chapter not in origin.chapters_of_run():
        return
    state = mail_state.read(opened)
    decisions.refuse_open(judged.found(state), opened.host)
    postfix.refuse_packages(state)
    pairs.check_kept(state)
    begun = f"ls -A {quote(journal.folder)} 2>/dev/null"
    if not opened.remote.run(begun, root=True, check=False, look=True).text.strip():
        tried(opened, state)


def tried(opened: Opened, state: MailState) -> str:
    """Have a second Postfix read what chapter 2 will write.

    Args:
        state: as it is now.
    Returns: what became of it, for the record; '' where there is nothing to try, or not yet.
    Raises:
        ApplyRefused: smtpd refuses it. Nothing was changed.
    """
    if not state.installed:
        return ""
    if chapter_plans.settings(state).withheld or chapter_plans.services(state).withheld:
        return ""
    if opened.selinux == "Enforcing":
        return message("Not tried by a second Postfix: {why}.", why=_NO_PLACE)
    result = trial.run(opened.remote, state)
    trial.check(result, opened.host.name)
    if result.why_not and result.said:
        said = joined("; ", result.said)
        return message("Not tried by a second Postfix: {why} ({said}).", why=result.why_not, said=said)
    if result.why_not:
        return message("Not tried by a second Postfix: {why}.", why=result.why_not)
    return message("Tried by a second Postfix on loopback before it was written: smtpd takes it.")
