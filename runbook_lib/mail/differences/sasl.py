"""Who else checks logins, and files of SASL that somebody else wrote."""

from runbook_lib.inventory.place import MASTER_CF, Place
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.differences.difference import Difference, Effect, effect
from runbook_lib.mail.target import logins, sasl
from runbook_lib.messages import message


def differences(state: MailState) -> tuple[Difference, ...]:
    """Who else checks logins: kept where that works. Else what somebody wrote and this plan would write is named.

    A person decides then. Files may be there before any package is.
    """
    family = state.family
    other = logins.other_login(state)
    found = []
    if other is not None:
        if other.where.file in (str(family.smtpd_sasl_conf), str(family.saslauthd_defaults)):
            why = message("logins are checked by it, and that stays") if other.works else other.half_made
            found.append(Difference(other.where, other.by, effect(other.works), why))
        elif other.where.file == MASTER_CF and not other.works:
            found.append(Difference(other.where, other.by, Effect.ASKS, other.half_made))
        if other.works:
            return tuple(found)
    for path, (file, _) in sasl.files(state).items():
        seen = state.seen[path]
        if seen.is_absent or seen.line == file.line or seen.line in state.left_files:
            continue
        if sasl.is_left(state, path):
            continue
        if other is not None and other.where.file == str(path):
            continue  # named above, with more to say
        found.append(
            Difference(
                Place(str(path)),
                seen.line,
                Effect.ASKS,
                message("this chapter writes it, and somebody else did before"),
            )
        )
    found += _override(state)
    for name, lines, why in logins.foreign_variables(state):
        found.append(Difference(Place(str(family.saslauthd_defaults), name), lines, Effect.ASKS, why))
    return tuple(found)


def _override(state: MailState) -> tuple[Difference, ...]:
    """What dpkg-statoverride(1) says of the socket's directory, where saslauthd's start script goes by it."""
    family = state.family
    owner, _, rest = state.facts["socket_override"].value.partition(" ")
    group, _, rest = rest.partition(" ")
    mode = rest.partition(" ")[0]
    wide = sasl.open_to(f"{mode} {owner}:{group}", family)
    if not wide or state.release.saslauthd_drop_in:
        return ()
    place = Place("dpkg-statoverride", str(family.saslauthd_socket_directory))
    why = message(
        "saslauthd's socket is in it: {open}; {right} lets its group in, and nobody else",
        open=wide,
        right=f"{owner} {family.saslauthd_group} 710",
    )
    return (Difference(place, f"{owner} {group} {mode}", Effect.ASKS, why),)
