"""One look at a host's mail system, with all that the plans and rules of chapter 2 ask."""

from collections.abc import Mapping
from dataclasses import replace

from runbook_lib import inventory
from runbook_lib.families import Family, Release
from runbook_lib.mail import ownership
from runbook_lib.mail.certificates import configured
from runbook_lib.mail.configuration import asked_once, state, unreadable
from runbook_lib.mail.configuration.mail_files import MailFiles
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.differences import surroundings
from runbook_lib.mail.target import chapter_plans, logins, pairs, restrictions, sni
from runbook_lib.remote.connection import Host
from runbook_lib.remote.facts import gather
from runbook_lib.remote.files import FUNCTIONS, ahead, looks


def read_mail(
    remote: Host,
    host: inventory.Host,
    family: Family,
    release: Release,
    more: Mapping[str, str] | None = None,
) -> MailState:
    """The state of a host's Postfix and SASL, asked in one round trip.

    A login that is there and works needs no package of SASL.

    Args:
        host: what the inventory has of it.
        more: further facts by name.
    Raises:
        CommandFailed: what the host says is not understood.
    """
    asked = {**questions(family, host), **(more or {})}
    whole, bare = state.looked_at(family, host)
    facts = gather(
        remote,
        asked,
        root=True,
        functions=FUNCTIONS + state.FUNCTIONS + asked_once.FUNCTIONS,
        ahead=f"{state.ahead(family)}; {ahead([*whole, *bare])}\n{asked_once.lines(asked.values())}",
    )
    read = state.understood(host, family, release, facts)
    other = logins.other_login(read)
    if other is None or not other.works:
        return read
    return replace(read, missing_packages=tuple(name for name in read.missing_packages if name == "postfix"))


def questions(family: Family, host: inventory.Host) -> dict[str, str]:
    """Everything that plans and rules ask, by name; safe at any moment."""
    whole, bare = state.looked_at(family, host)
    files = {one.purpose: MailFiles.of(family, one) for one in host.by_certificate}
    joined = tuple(one.joined for one in files.values())
    about_each: dict[str, str] = {}
    for purpose, one in files.items():
        about_each |= state.asked_of({**one.facts, **pairs.facts(one.key, one.certificate)}, purpose)
    return {
        **state.questions(family, joined),
        **about_each,
        **restrictions.FACTS,
        **logins.facts(family),
        **sni.facts(host.every_name),
        **ownership.facts(chapter_plans.paths(family), joined),
        **surroundings.FACTS,
        **unreadable.FACTS,
        **configured.FACTS,
        **looks(whole, bare),
    }
