"""What of a host's certificates is due: to be renewed by the own CA, or renewed and not served yet. Touches nothing."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runbook_lib import inventory, remote
from runbook_lib.errors import CertificateRefused, CommandFailed
from runbook_lib.families.known import find
from runbook_lib.mail.configuration.postconf import MAIN_CF, MASTER_CF
from runbook_lib.mail.configuration.state import MailState, asked_of, newer
from runbook_lib.mail.reading import read_mail
from runbook_lib.mail.target import postfix
from runbook_lib.messages import message
from runbook_lib.pki.certificate import FITS
from runbook_lib.remote.facts import FACTS, TIMED_OUT, gather
from runbook_lib.site_ca import own_ca, renewal

LOOK_S = 120.0  # at one host
_EDITED = "edited"


@dataclass(frozen=True)
class Due:
    """What is due on a host.

    Args:
        why: what, and why, a line each; none: nothing.
        against: why a person has to do it; '': nothing is known against it.
        has_ours: whether a certificate is there that a root of the own CA signed: others are renewed by a person.
    """

    why: tuple[str, ...]
    against: str = ""
    has_ours: bool = True


def look(book: inventory.Inventory, host: inventory.Host) -> Due:
    """What is due on a host, of the certificates that are there and that a root of the own CA signed.

    Raises:
        HostUnreachable, CommandFailed, DeadlineExceeded: it could not be looked at.
        ApplyRefused: no family is known that it belongs to.
    """
    connected = remote.connect(book.site, host)
    with connected.looking(LOOK_S):
        facts = gather(connected, FACTS)
        family, release = find(facts["os_release"].value, facts["package_managers"].value, host.name)
        more = {_EDITED: f"stat -c '%.9Y' {MAIN_CF} {MASTER_CF} | newest"}
        for one in host.by_certificate:
            more |= asked_of(renewal.facts(family, one), one.purpose)
        state = read_mail(connected, host, family, release, more)
    unreadable: list[str] = []
    ours: list[MailState] = []
    for seen in state.by_certificate:
        try:
            ours += [seen] if _is_ours(book.site, seen) else []
        except CertificateRefused as error:
            unreadable.append(message("{file}: {why}", file=seen.files.certificate, why=error.problem))
    if unreadable:
        return Due(tuple(unreadable), message("a renewal goes by the certificate that is there"))
    why = tuple(_due(book.site, state, ours))
    return Due(why, _against(state) if why else "", bool(ours))


def _due(site: inventory.Site, state: MailState, ours: Sequence[MailState]) -> Iterator[str]:
    for one in ours:
        why = renewal.why_new_key(site, one.host, one.facts)
        why = why or renewal.why_new_certificate(site, one.host, one.facts)
        if why != FITS:
            yield message("{file}: {why}", file=one.files.certificate, why=why)
    joined = {str(one.files.joined) for one in ours if not one.seen[one.files.joined].is_absent}
    differing = {change.thing for change in postfix.plan_joined_file(state).changes}
    if joined & differing or (joined and state.shows_old_certificate):
        yield message("Postfix does not serve the certificate yet that is there")


def _is_ours(site: inventory.Site, state: MailState) -> bool:
    """Whether a root of the own CA signed the certificate that is there.

    Raises:
        CertificateRefused: what is there is no certificate.
        CommandFailed: nobody could look.
    """
    said, file = state.facts["certificate"], str(state.files.certificate)
    if said.status == TIMED_OUT:
        raise CommandFailed(
            message("{file} could not be read in time", file=file),
            state.host.name,
            message("see whether the host is overloaded; then type the same again"),
        )
    if said.status != 0 or state.host.certificate.is_public:
        return False
    return own_ca.roots_for(site, said.value.encode() + b"\n", file) is not None


def _against(state: MailState) -> str:
    """A reload takes up all that stands there: also what an administrator wrote and has not taken up."""
    edited = state.facts[_EDITED].value
    if not re.fullmatch(r"([0-9]+(\.[0-9]+)?)?", edited):
        raise CommandFailed(
            message("{asked}: the answer is not understood: '{said}'", asked=MAIN_CF, said=edited[:200]),
            state.host.name,
            message("run it on the host, as root, and see what it prints"),
        )
    if state.is_running and newer(edited, state.facts["taken_up"].value):
        return message(
            "main.cf or master.cf was edited since Postfix read it last, and a reload would take that up, too"
        )
    return ""
