"""Entries of main.cf that are not as the package leaves them."""

from collections.abc import Iterator
from dataclasses import replace

from runbook_lib.inventory.place import Place
from runbook_lib.mail.certificates.configured import ENTRIES
from runbook_lib.mail.configuration import networks
from runbook_lib.mail.configuration.postconf import Setting, line
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.differences.difference import UNTOUCHED, Difference, Effect, effect
from runbook_lib.mail.target import filters, logins, offers, postfix, restrictions, sni, wanted
from runbook_lib.mail.target.decisions import Choices, empty_list, of_setting
from runbook_lib.messages import joined, message


def differences(state: MailState) -> tuple[Difference, ...]:
    """What on the host differs from what the package leaves and from what an earlier run of ours left.

    It is the same whatever was decided (`judged.found` says what the decisions make of it). Services of master.cf are
    not in it.
    """
    if not state.installed:
        return ()
    release = state.release
    found = list(_certificate(state))
    told = {difference.where for difference in found}
    written = {setting.name: setting for setting in postfix.settings(state.undecided)}
    other = logins.other_login(state)
    ruled = (
        restrictions.rulings(state)
        | filters.rulings(state)
        | logins.rulings(state, other)
        | offers.rulings(state)
        | sni.rulings(state)
    )
    for name, value in state.main_cf.items():
        if Place.main(name) in told or not any(name in known for known in (written, ruled, wanted.READ)):
            continue
        if value in release.main_cf.get(name, ()) or wanted.neutral(name, value):
            continue
        if name in ruled:
            found.append(Difference(Place.main(name), value, effect(ruled[name].kept), ruled[name].why))
            continue
        if name in written and written[name].after == value:
            continue
        if line(name, value) in state.left.get(name, frozenset()):
            continue
        why = _written(written[name]) if name in written else empty_list(name, value) or wanted.READ[name]
        choices = of_setting(name, value, state.version, written=name in written)
        if name in ENTRIES and state.certificate is not None:
            misplaced = state.certificate.found.misplaced
            now = misplaced or message("now it is {certificate}", certificate=state.certificate.words)
            why = joined("; ", (why, now))
            choices = replace(choices, keep="" if misplaced else choices.keep, not_kept=misplaced)
        found.append(Difference(Place.main(name), value, Effect.ASKS, why, choices))
    found += _networks(state)
    kept_settings = tuple(_kept(state, {*written, *ruled}))
    return tuple(found) + tuple(one for one in kept_settings if one.where not in told)


def _written(setting: Setting) -> str:
    if setting.after is None:
        return message("chapter 2 does without it: {why}", why=setting.why)
    return message("chapter 2 sets {value}: {why}", value=setting.after, why=setting.why)


def _networks(state: MailState) -> tuple[Difference, ...]:
    """Who sends without a login on port 25, where that is more than this host itself, or cannot be read."""
    value = state.main_cf.get("mynetworks", "")
    told = joined(
        "; ", filter(None, (networks.told(value), *(one.meaning for one in networks.faults(value))))
    )
    if not told or line("mynetworks", value) in state.left.get("mynetworks", frozenset()):
        return ()
    choices = of_setting("mynetworks", value, state.version, written=False)
    return (Difference(Place.main("mynetworks"), value, Effect.STAYS, told, choices),)


def _certificate(state: MailState) -> tuple[Difference, ...]:
    """The entries that name a certificate which stays, or of which that cannot be said."""
    there = state.certificate
    if there is None or not (there.stays or there.is_unknown):
        return ()
    why = (
        there.why
        if there.stays
        else message("whether it is pinned is not known: {reasons}", reasons=joined("; ", there.unanswered))
    )
    found = []
    for name, value in there.found.entries.items():
        if misplaced := there.found.misplaced:
            choices = Choices(not_kept=misplaced)
            found.append(Difference(Place.main(name), value, Effect.ASKS, misplaced, choices))
            continue
        choices = of_setting(name, value, state.version, written=True)
        if there.stays:
            choices = Choices(keep=choices.keep)  # others rely on it
        found.append(Difference(Place.main(name), value, effect(there.stays), why, choices))
    return tuple(found)


# Entries that the package fills in from the host's name and addresses.
_BY_PACKAGE = frozenset((
    "smtpd_banner", "biff", "append_dot_mydomain", "readme_directory", "compatibility_level",
    "smtp_tls_CApath", "smtp_tls_CAfile", "smtp_tls_security_level", "smtp_tls_session_cache_database",
    "smtpd_relay_restrictions", "myhostname", "alias_maps", "alias_database", "myorigin", "mydestination",
    "relayhost", "mynetworks", "mailbox_size_limit", "recipient_delimiter", "inet_interfaces",
    "inet_protocols", "mailbox_command", "command_directory", "daemon_directory", "data_directory",
    "queue_directory", "sendmail_path", "setgid_group", "mail_owner", "mailq_path", "newaliases_path",
    "html_directory", "manpage_directory", "sample_directory", "meta_directory", "shlib_directory",
    "unknown_local_recipient_reject_code", "debug_peer_level", "debugger_command",
))  # fmt: skip


def _kept(state: MailState, told: set[str]) -> Iterator[Difference]:
    known = told | set(wanted.READ) | _BY_PACKAGE | set(state.release.main_cf)
    for name, value in state.main_cf.items():
        if name in known:
            continue
        empty = empty_list(name, value)
        choices = of_setting(name, value, state.version, written=False)
        became = Effect.ASKS if empty else Effect.UNTOUCHED
        yield Difference(Place.main(name), value, became, empty or UNTOUCHED, choices)
