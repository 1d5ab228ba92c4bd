"""SMTP AUTH through saslauthd and PAM, as a plan: what smtpd asks, where the socket is, who may open it."""

import re
from pathlib import PurePosixPath

from runbook_lib import inventory
from runbook_lib.families import Family
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.target import logins, wanted
from runbook_lib.messages import message
from runbook_lib.remote.change import Change, Plan
from runbook_lib.remote.files import FileState, plan_directory, plan_file
from runbook_lib.remote.system import MembershipChange, UnitChange
from runbook_lib.remote.variables import Variable, VariablesChange, plan_variables

UNIT = "saslauthd"


def files(state: MailState) -> dict[PurePosixPath, tuple[FileState, str]]:
    """Each file as it shall be, and what for."""
    family, release = state.family, state.release
    files: dict[PurePosixPath, tuple[FileState, str]] = {
        family.smtpd_sasl_conf: (
            FileState.wanted(family.smtpd_sasl_text.encode()),
            message("smtpd asks saslauthd, and offers PLAIN and LOGIN only, which saslauthd can check"),
        ),
        family.pam_service: (
            FileState.wanted(wanted.pam_service(family, state.host.sasl.minimum_uid)),
            message("PAM's service smtp: root is kept out, the rest is as for every login here"),
        ),
    }
    if release.saslauthd_drop_in:
        text = ("\n".join(release.saslauthd_drop_in) + "\n").encode()
        files[family.saslauthd_drop_in] = (
            FileState.wanted(text),
            message("the unit finds pid file and directory in the chroot"),
        )
    return files


def is_left(state: MailState, path: PurePosixPath) -> bool:
    """Whether a file is as its package leaves it, white space aside."""
    text, seen = state.family.files_left.get(path), state.seen[path]
    if text is None or seen.file is None or seen.file.content is None:
        return False
    return seen.file.content.split() == text.encode().split()


def plan_sasl(state: MailState, other: logins.OtherLogin | None) -> Plan:
    """What is missing for logins through saslauthd and PAM; nothing where somebody else's login is there.

    saslauthd is stopped while its settings file changes: Debian 12's script reads the pid file's place from the
    new text, so a running daemon would stay beside the new one.

    Args:
        other: that login.
    """
    if other is not None:
        return Plan("SMTP AUTH", (), (other.told,))
    family, release = state.family, state.release
    bare = bool(state.missing_packages)
    changes: list[Change] = []
    settings: list[Change] = []
    for path, (file, why) in files(state).items():
        place = changes if path != family.saslauthd_drop_in else settings
        directory = state.seen.get(path.parent)
        # Postfix, or the library that it needs, brings the folder of smtpd.conf (dpkg -S, rpm -qf).
        brought = path == family.smtpd_sasl_conf and not state.installed
        if directory is not None and directory.is_absent and not brought:
            place.extend(plan_directory(path.parent, None if bare else directory))
        place.extend(plan_file(path, state.seen[path], file, why))
    if bare:
        variables = tuple(
            Variable(name, release.saslauthd_left.get(name), text, why)
            for name, text, why in logins.variables(state)
            if text != release.saslauthd_left.get(name)
        )
        settings.append(
            VariablesChange(family.saslauthd_defaults, variables, state.seen[family.saslauthd_defaults])
        )
    else:
        seen = state.seen[family.saslauthd_defaults]
        content = (seen.file.content or b"").decode("utf-8", errors="replace") if seen.file else ""
        settings += plan_variables(family.saslauthd_defaults, content, logins.variables(state), seen)
    if family.saslauthd_group and state.facts["in_group"].status != 0:
        changes.append(
            MembershipChange(
                "postfix", family.saslauthd_group, message("only this group may open saslauthd's socket")
            )
        )
    masters = [text for text in state.facts["saslauthd_masters"].value.splitlines() if text]
    enabled, active = (
        state.facts["saslauthd_enabled"].value or "not-found",
        state.facts["saslauthd_active"].value,
    )
    if settings and masters:
        changes.append(
            UnitChange(UNIT, enabled, active, False, message("it must not run while its pid file moves"))
        )
        active = "inactive"
    changes.extend(settings)
    socket = f"-m {family.saslauthd_socket_directory}"
    works = enabled == "enabled" and active == "active" and len(masters) == 1 and socket in masters[0]
    is_open = bool(masters) and bool(open_to(state.facts["socket_directory"].value, family))
    if settings or not works or state.saslauthd_is_stale or is_open:
        why = (
            message("at its start it closes its socket to everybody but its group")
            if is_open and works
            else message("it answers smtpd's question whether a password is right")
        )
        changes.append(UnitChange(UNIT, enabled, active, True, why))
    return Plan(
        message("SMTP AUTH through saslauthd and PAM"),
        tuple(changes),
        (*_form(state.host), *_shut_out(state)),
    )


def open_to(directory: str, family: Family) -> str:
    """Who may open saslauthd's socket, and should not, by its directory; "" where its group alone may.

    The socket itself is open to everybody, so the directory decides (saslauthd(8)). Where the family has no group for
    it, its own packages leave it so.

    Args:
        directory: mode and owner, '710 root:sasl'.
    """
    found = re.fullmatch(r"0?([0-7]{3,4}) ([^:]+):(.+)", directory)
    if found is None or not family.saslauthd_group:
        return ""
    if int(found[1], 8) & 0o001:
        return message("everybody on the host may try passwords there")
    if found[3] == family.saslauthd_group:
        return ""
    return message("group {group} may open it, and Postfix may not", group=found[3])


def _form(host: inventory.Host) -> tuple[str, ...]:
    """Say which names PAM is asked for where the inventory has a realm."""
    if not host.sasl.realm:
        return ()
    return (
        message("sasl.realm {realm}: PAM is asked for the whole name, NAME@{realm}.", realm=host.sasl.realm),
    )


def _shut_out(state: MailState) -> tuple[str, ...]:
    """Say how many accounts with a password a floor of user ids keeps out, root aside."""
    floor = state.host.sasl.minimum_uid
    uids = [int(uid) for uid in re.findall(r"^[0-9]{1,10}$", state.facts["logins"].value, re.MULTILINE)]
    below = sum(0 < uid < floor for uid in uids)
    if floor == 1 or not below:
        return ()
    return (
        message(
            "sasl.minimum_uid {floor} keeps {below} of {count} accounts with a password from logging in.",
            floor=floor,
            below=below,
            count=len(uids),
        ),
    )
