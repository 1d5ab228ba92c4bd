"""One look at a host's mail system, with all that the plans and rules of chapter 2 ask."""

from dataclasses import replace

from runbook_lib import inventory
from runbook_lib.families import Family, Release
from runbook_lib.mail import (
    chapter_plans,
    found_certificate,
    logins,
    ownership,
    pairs,
    restrictions,
    sasl,
    surroundings,
)
from runbook_lib.mail.postfix import MailFiles
from runbook_lib.mail.state import MailState, read_state
from runbook_lib.remote.connection import Host


def read_mail(remote: Host, family: Family, release: Release, host: inventory.Host) -> MailState:
    """The state of a host's Postfix and SASL. A login that is there and works needs no package of SASL."""
    files = MailFiles.of(family, host)
    facts = {
        **files.facts,
        **pairs.facts(files.key, files.certificate),
        **restrictions.FACTS,
        **logins.facts(family),
        **ownership.facts(chapter_plans.paths(family), (files.joined,)),
        **surroundings.FACTS,
        **found_certificate.FACTS,
    }
    state = read_state(remote, family, release, files.joined, sasl.paths(family), facts)
    other = logins.other_login(state, family, release, host)
    if other is None or not other.works:
        return state
    return replace(
        state, missing_packages=tuple(name for name in state.missing_packages if name == "postfix")
    )
