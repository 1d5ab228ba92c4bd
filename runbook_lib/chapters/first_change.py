"""Before the first change of a run: what chapter 2 would refuse, it refuses while nothing is made.

In a batch key and certificate come before chapter 2. They would be made for nothing, and a certificate issued, where
that chapter cannot go on; so it is asked before chapter 1-1 begins.
"""

from runbook_lib.chapters import decisions, mail_state
from runbook_lib.chapters.opening import Opened
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.differences import judged
from runbook_lib.mail.target import chapter_plans, pairs, postfix, services, trial
from runbook_lib.mail.target.postfix import MailFiles
from runbook_lib.records import origin
from runbook_lib.remote.change import quote
from runbook_lib.remote.journal import Journal

_NO_PLACE = "SELinux knows no place for one"


def refuse(opened: Opened, journal: Journal) -> None:
    """In a batch that comes to chapter 2: what stops it there stops the host before chapter 1-1.

    That is what a person still has to decide, packages that are held, a key that does not fit the certificate that
    stays, and what smtpd itself refuses. By hand the chapters before it go on: key and certificate need none of it.

    Raises:
        ApplyRefused: as chapter 2 would. Nothing was changed.
    """
    if opened.family.postfix_chapter not in origin.chapters_of_run():
        return
    state, files = mail_state.read(opened), MailFiles.of(opened.family, opened.host)
    decisions.refuse_open(judged.found(state, opened.family, opened.release, opened.host, files), opened.host)
    postfix.refuse_packages(state, opened.host.name)
    pairs.check_kept(state, opened.host.name)
    begun = f"ls -A {quote(journal.folder)} 2>/dev/null"
    if not opened.remote.run(begun, root=True, check=False).text.strip():
        tried(opened, state, files)


def tried(opened: Opened, state: MailState, files: MailFiles) -> str:
    """Have a second Postfix read what chapter 2 will write.

    Args:
        state: as it is now.
        files: those of the certificate; one for the trial alone stands in for what is not made yet.
    Returns: what became of it, for the record; '' where there is nothing to try, or not yet.
    Raises:
        ApplyRefused: smtpd refuses it. Nothing was changed.
    """
    if not state.installed:
        return ""
    family, host = opened.family, opened.host
    fqdn = opened.facts["hostname"].value
    plans = chapter_plans.plans(state, family, opened.release, host, files, fqdn, None)
    if plans.settings.withheld or plans.services.withheld:
        return ""
    if opened.selinux == "Enforcing":
        return f"Not tried by a second Postfix: {_NO_PLACE}."
    result = trial.run(
        opened.remote,
        state,
        files,
        postfix.settings(state, host, files),
        services.services(state, family, host, files.joined),
        host.certificate.key_type,
    )
    trial.check(result, host.name)
    said = f" ({'; '.join(result.said)})" if result.said else ""
    if result.why_not:
        return f"Not tried by a second Postfix: {result.why_not}{said}."
    return "Tried by a second Postfix on loopback before it was written: smtpd takes it."
