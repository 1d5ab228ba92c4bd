"""What on a host is not as the package leaves it: it stays, or a person decides."""

from dataclasses import dataclass

from runbook_lib import inventory
from runbook_lib.families import Family, Release
from runbook_lib.mail import filters, logins, postfix, restrictions, wanted
from runbook_lib.mail.decisions import CERTIFICATE, NO_CHOICE, Choices, of_setting
from runbook_lib.mail.findings import networks
from runbook_lib.mail.postconf import Setting, line
from runbook_lib.mail.state import MailState


@dataclass(frozen=True)
class Difference:
    """Something that is not as the package leaves it.

    Args:
        where: 'main.cf, NAME', 'master.cf, SERVICE' or a path.
        found: what is there.
        kept: True: neither written nor read by this chapter, so it stays; False: a person decides.
        why: what it means for the chapter.
        choices: what a person may decide about it in the inventory, where that is possible.
        decision: what was decided.
    """

    where: str
    found: str
    kept: bool
    why: str
    choices: Choices = NO_CHOICE
    decision: inventory.Decision | None = None

    @property
    def is_open(self) -> bool:
        """Whether a person still has to decide."""
        return not self.kept and self.decision is None

    @property
    def fate(self) -> str:
        """What becomes of it, in a few words."""
        if self.decision is not None:
            return f"{FATES[self.decision.decide]}, as decided: {self.decision.reason}"
        return "stays" if self.kept else "you decide"


FATES = {"keep": "stays", "replace": "is replaced"}


def differences(
    state: MailState, family: Family, release: Release, host: inventory.Host, files: postfix.MailFiles
) -> tuple[Difference, ...]:
    """What on the host differs from what the package leaves and from what an earlier run of ours left.

    It is the same whatever was decided (`judged.found` says what the decisions make of it). Services of master.cf are
    not in it.
    """
    if not state.installed:
        return ()
    host = host.model_copy(update={"decisions": ()})
    found = list(_certificate(state))
    told = {difference.where for difference in found}
    written = {setting.name: setting for setting in postfix.settings(state, host, files)}
    other = logins.other_login(state, family, release, host)
    ruled = restrictions.rulings(state) | filters.rulings(state) | logins.rulings(state, other, host)
    for name, value in state.main_cf.items():
        if f"main.cf, {name}" in told or not any(name in known for known in (written, ruled, wanted.READ)):
            continue
        if value in release.main_cf.get(name, ()) or wanted.neutral(name, value):
            continue
        if name in ruled:
            found.append(Difference(f"main.cf, {name}", value, ruled[name].kept, ruled[name].why))
            continue
        if name in written and written[name].after == value:
            continue
        if line(name, value) in state.left.get(name, frozenset()):
            continue
        why = _written(written[name]) if name in written else wanted.READ[name]
        if name in CERTIFICATE and state.certificate is not None:
            why += f"; now it is {state.certificate.words}"
        choices = of_setting(name, value, state.version, written=name in written)
        found.append(Difference(f"main.cf, {name}", value, False, why, choices))
    found += _networks(state)
    kept_settings = _kept(state, {*written, *ruled}, release)
    return tuple(found) + tuple(one for one in kept_settings if one.where not in told)


def _written(setting: Setting) -> str:
    wish = "does without it" if setting.after is None else f"sets {setting.after}"
    return f"chapter 2 {wish}: {setting.why}"


def _networks(state: MailState) -> tuple[Difference, ...]:
    """Who sends without a login on port 25, where that is more than this host itself."""
    value = state.main_cf.get("mynetworks", "")
    told = networks.told(value)
    if not told or line("mynetworks", value) in state.left.get("mynetworks", frozenset()):
        return ()
    choices = of_setting("mynetworks", value, state.version, written=False)
    return (Difference("main.cf, mynetworks", value, True, told, choices),)


def _certificate(state: MailState) -> tuple[Difference, ...]:
    """The entries that name a certificate which stays, or of which that cannot be said."""
    there = state.certificate
    if there is None or not (there.stays or there.is_unknown):
        return ()
    why = there.why if there.stays else f"whether it is pinned is not known: {'; '.join(there.unanswered)}"
    found = []
    for name, value in there.found.entries.items():
        choices = of_setting(name, value, state.version, written=True)
        if there.stays:
            choices = Choices(keep=choices.keep)  # others rely on it
        found.append(Difference(f"main.cf, {name}", value, there.stays, why, choices))
    return tuple(found)


# Entries that the package fills in from the host's name and addresses.
_BY_PACKAGE = frozenset(
    [
        "smtpd_banner",
        "biff",
        "append_dot_mydomain",
        "readme_directory",
        "compatibility_level",
        "smtp_tls_CApath",
        "smtp_tls_CAfile",
        "smtp_tls_security_level",
        "smtp_tls_session_cache_database",
        "smtpd_relay_restrictions",
        "myhostname",
        "alias_maps",
        "alias_database",
        "myorigin",
        "mydestination",
        "relayhost",
        "mynetworks",
        "mailbox_size_limit",
        "recipient_delimiter",
        "inet_interfaces",
        "inet_protocols",
        "mailbox_command",
        "command_directory",
        "daemon_directory",
        "data_directory",
        "queue_directory",
        "sendmail_path",
        "setgid_group",
        "mail_owner",
        "mailq_path",
        "newaliases_path",
        "html_directory",
        "manpage_directory",
        "sample_directory",
        "meta_directory",
        "shlib_directory",
        "unknown_local_recipient_reject_code",
        "debug_peer_level",
        "debugger_command",
    ]
)


def _kept(state: MailState, told: set[str], release: Release) -> tuple[Difference, ...]:
    known = told | set(wanted.READ) | _BY_PACKAGE | set(release.main_cf)
    return tuple(
        Difference(
            f"main.cf, {name}",
            value,
            True,
            "neither written nor read here: it stays",
            of_setting(name, value, state.version, written=False),
        )
        for name, value in state.main_cf.items()
        if name not in known
    )
