"""One look at a host's mail system, with all that the plans and rules of chapter 2 ask."""

from dataclasses import replace

from runbook_lib import inventory
from runbook_lib.families import Family, Release
from runbook_lib.mail import ownership
from runbook_lib.mail.certificates import configured
from runbook_lib.mail.configuration import unreadable
from runbook_lib.mail.configuration.state import MailState, read_state
from runbook_lib.mail.differences import surroundings
from runbook_lib.mail.target import chapter_plans, logins, pairs, restrictions, sasl, sni
from runbook_lib.mail.target.postfix import MailFiles
from runbook_lib.remote.connection import Host


def read_mail(remote: Host, family: Family, release: Release, host: inventory.Host) -> MailState:
    """The state of a host's Postfix and SASL. A login that is there and works needs no package of SASL."""
    files = MailFiles.of(family, host)
    facts = {
        **files.facts,
        **pairs.facts(files.key, files.certificate),
        **restrictions.FACTS,
        **logins.facts(family),
        **sni.facts(host.names.all),
        **ownership.facts(chapter_plans.paths(family), (files.joined,)),
        **surroundings.FACTS,
        **unreadable.FACTS,
        **configured.FACTS,
    }
    state = read_state(remote, family, release, files.joined, sasl.paths(family), facts)
    other = logins.other_login(state, family, release, host)
    if other is None or not other.works:
        return state
    return replace(
        state, missing_packages=tuple(name for name in state.missing_packages if name == "postfix")
    )
