"""What a host's mail system is, for every chapter that asks: as read there, and with what holds its certificate."""

from dataclasses import replace

from runbook_lib.chapters import certificate_life, port_25
from runbook_lib.chapters.opening import Opened
from runbook_lib.mail.reading import read_mail
from runbook_lib.mail.state import MailState


def read(opened: Opened) -> MailState:
    """Read a host's Postfix and SASL in one round trip, and ask what holds the certificate of port 25 there.

    Raises:
        ApplyRefused: Postfix is there and cannot read its own configuration.
    """
    state = read_mail(opened.remote, opened.family, opened.release, opened.host)
    if opened.chosen_for is not None:
        chosen = ".".join(map(str, opened.chosen_for))
        state = replace(
            state, version=opened.chosen_for, version_text=f"chosen for {chosen}, run on {state.version_text}"
        )
    return replace(
        state,
        certificate=port_25.judged(opened, state.facts),
        pair_comes=certificate_life.what_comes(opened),
    )
