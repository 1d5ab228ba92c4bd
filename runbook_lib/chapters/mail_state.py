"""What a host's mail system is, for every chapter that asks: as read there, and with what holds its certificate."""

from collections.abc import Mapping
from dataclasses import replace

from runbook_lib.chapters import port_25
from runbook_lib.chapters.opening import Opened
from runbook_lib.errors import CertificateRefused, UsageError
from runbook_lib.inventory.purposes import MAIL
from runbook_lib.mail.configuration.state import MailState, asked_of
from runbook_lib.mail.reading import read_mail
from runbook_lib.messages import message
from runbook_lib.pki.certificate import FITS, shown_dn
from runbook_lib.remote import firewalld
from runbook_lib.remote.facts import Fact, gather
from runbook_lib.site_ca import own_ca, public_ca, renewal


def read(opened: Opened) -> MailState:
    """Read a host's Postfix and SASL in one round trip, and ask what holds the certificate of port 25 there.

    It holds until something is changed on the host: what is planned or judged meanwhile is given this one.

    Raises:
        ApplyRefused: Postfix is there and cannot read its own configuration.
    """
    return judged(opened, look(opened))


def look(opened: Opened) -> MailState:
    """As `read`, of the host alone: also where Postfix cannot read its own configuration."""
    more: dict[str, str] = {}
    for one in opened.host.by_certificate if opened.mode == "plan" else ():
        more |= asked_of(renewal.facts(opened.family, one), one.purpose)
    state = read_mail(opened.remote, opened.host, opened.family, opened.release, more)
    return replace(state, facts={**opened.facts, **state.facts}, chosen_for=opened.chosen_for)


def firewall_facts(opened: Opened) -> dict[str, Fact] | None:
    """What firewalld says, which takes seconds; None where this runbook leaves firewalls to others."""
    return gather(opened.remote, firewalld.FACTS, root=True) if opened.family.firewall_services else None


def judged(opened: Opened, state: MailState) -> MailState:
    """With what holds the certificate of port 25, and what the chapters before will make."""
    comes: dict[str, str] = {
        one.host.purpose: _what_comes(replace(opened, host=one.host), one.facts)
        for one in (state.by_certificate if opened.mode == "plan" else ())
    }
    return replace(
        state,
        certificate=port_25.judged(opened, state.facts),
        pair_comes=comes.pop(MAIL, ""),
        others_come=comes,
    )


def _what_comes(opened: Opened, facts: Mapping[str, Fact]) -> str:
    """For a plan alone: why chapters 1-1 and 1-2 will leave another pair than is there; '' where they will not.

    A plan is read before any of it is made. What those chapters will make is not on the host then, and chapter 2 has
    to plan for it all the same.
    """
    why = renewal.why_new_key(opened.inventory.site, opened.host, facts)
    if why or facts["certificate"].status != 0 or facts["key_is_there"].status != 0:
        return why
    leaf_pem = facts["certificate"].value.encode() + b"\n"
    if opened.host.certificate.is_public:
        return _what_came_back(opened, facts["public_key"].value, leaf_pem)
    try:
        if own_ca.roots_for(opened.inventory.site, leaf_pem, opened.host.name) is None:
            return ""  # another CA's: what it returns next is not known here
    except CertificateRefused as error:
        return error.problem  # no certificate at all, so chapter 1-2 makes one
    found = renewal.why_new_certificate(opened.inventory.site, opened.host, facts)
    return "" if found == FITS else found


def _what_came_back(opened: Opened, public_key: str, there: bytes) -> str:
    """Whether chapter 1-2 puts what a public CA returned in the place of what is there."""
    returned = opened.host.certificate.returned
    if not returned:
        return ""
    try:
        proven = public_ca.imported(opened.host, returned, public_key)
    except (CertificateRefused, UsageError):
        return ""  # chapter 1-2 refuses it and says why; nothing comes
    return (
        "" if proven.pem == there else message("what {issuer} returned", issuer=shown_dn(proven.leaf.issuer))
    )
