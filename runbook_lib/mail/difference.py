"""What on a host is not as the package leaves it: it stays, or a person decides."""

from dataclasses import dataclass

from runbook_lib import inventory
from runbook_lib.families import Family, Release
from runbook_lib.mail import filters, logins, postfix, restrictions, wanted
from runbook_lib.mail.postconf import line
from runbook_lib.mail.state import MailState

_READ_ON_25 = "verification of port 25 depends on it"


@dataclass(frozen=True)
class Difference:
    """Something that is not as the package leaves it.

    Args:
        where: 'main.cf, NAME', 'master.cf, SERVICE' or a path.
        found: what is there.
        kept: True: neither written nor read by this chapter, so it stays; False: a person decides.
        why: what it means for the chapter.
    """

    where: str
    found: str
    kept: bool
    why: str


def differences(
    state: MailState, family: Family, release: Release, host: inventory.Host, files: postfix.MailFiles
) -> tuple[Difference, ...]:
    """What on the host differs from what the package leaves and from what an earlier run of ours left."""
    if not state.installed:
        return ()
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
        why = "this chapter writes it" if name in written else "this chapter depends on it"
        found.append(Difference(f"main.cf, {name}", value, False, why))
    for service in postfix.services(state, family, host, files):
        if service.before not in (None, service.after) and service.before not in state.left.get(
            service.name, ()
        ):
            found.append(
                Difference(f"master.cf, {service.name}", str(service.before), False, "this chapter writes it")
            )
    for port in host.submission.ports:
        if len(state.service_on_port(port)) > 1:
            names = ", ".join(state.service_on_port(port))
            found.append(
                Difference(
                    f"master.cf, port {port}", names, False, "several services on one port: the last wins"
                )
            )
    smtp = state.services.get("smtp/inet", ())
    plain = f"smtp inet n - {family.chroot} - - smtpd"
    if smtp != (plain,):
        only = filters.only_on_25(state)
        kept = bool(only) and smtp[0].startswith(f"{plain} -o ")
        why = "a filter of port 25 alone; 465 and 587 do not inherit it" if kept else _READ_ON_25
        text = " / ".join(smtp) or "no such service"
        found.append(Difference("master.cf, smtp/inet", text, kept, why))
    kept_settings = _kept(state, {*written, *ruled}, release)
    return tuple(found) + tuple(one for one in kept_settings if one.where not in told)


def _certificate(state: MailState) -> tuple[Difference, ...]:
    """The entries that name a certificate which stays, or of which that cannot be said."""
    there = state.certificate
    if there is None or not (there.stays or there.is_unknown):
        return ()
    why = there.why if there.stays else f"whether it is pinned is not known: {'; '.join(there.unanswered)}"
    return tuple(
        Difference(f"main.cf, {name}", value, there.stays, why) for name, value in there.found.entries.items()
    )


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
        "smtpd_tls_session_cache_database",
        "unknown_local_recipient_reject_code",
        "debug_peer_level",
        "debugger_command",
    ]
)


def _kept(state: MailState, told: set[str], release: Release) -> tuple[Difference, ...]:
    known = told | set(wanted.READ) | _BY_PACKAGE | set(release.main_cf)
    return tuple(
        Difference(f"main.cf, {name}", value, True, "neither written nor read here: it stays")
        for name, value in state.main_cf.items()
        if name not in known
    )
