"""SMTP AUTH through saslauthd and PAM, as a plan: what smtpd asks, where the socket is, who may open it."""

import re
from pathlib import PurePosixPath

from runbook_lib import inventory
from runbook_lib.families import Family, Release
from runbook_lib.mail import logins, wanted
from runbook_lib.mail.difference import Difference
from runbook_lib.mail.state import MailState
from runbook_lib.remote.change import Change, Plan
from runbook_lib.remote.files import FileState, Seen, plan_directory, plan_file
from runbook_lib.remote.system import MembershipChange, UnitChange
from runbook_lib.remote.variables import Variable, VariablesChange, plan_variables

UNIT = "saslauthd"


def paths(family: Family) -> tuple[PurePosixPath, ...]:
    """The files and directories of this plan, for `read_state`."""
    return (
        family.smtpd_sasl_conf,
        family.smtpd_sasl_conf.parent,
        family.pam_service,
        family.saslauthd_defaults,
        family.saslauthd_drop_in,
        family.saslauthd_drop_in.parent,
    )


def _files(
    family: Family, release: Release, host: inventory.Host
) -> dict[PurePosixPath, tuple[FileState, str]]:
    files = {
        family.smtpd_sasl_conf: (
            FileState.wanted(family.smtpd_sasl_text.encode()),
            "smtpd asks saslauthd, and offers PLAIN and LOGIN only, which saslauthd can check",
        ),
        family.pam_service: (
            FileState.wanted(wanted.pam_service(family, host.sasl.minimum_uid)),
            "PAM's service smtp: root is kept out, the rest is as for every login here",
        ),
    }
    if release.saslauthd_drop_in:
        text = ("\n".join(release.saslauthd_drop_in) + "\n").encode()
        files[family.saslauthd_drop_in] = (
            FileState.wanted(text),
            "the unit finds pid file and directory in the chroot",
        )
    return files


def _is_left(path: PurePosixPath, seen: Seen, family: Family) -> bool:
    """Whether a file is as its package leaves it, white space aside."""
    text = family.files_left.get(path)
    if text is None or seen.file is None or seen.file.content is None:
        return False
    return seen.file.content.split() == text.encode().split()


def plan_sasl(
    state: MailState,
    family: Family,
    release: Release,
    host: inventory.Host,
    other: logins.OtherLogin | None,
) -> Plan:
    """What is missing for logins through saslauthd and PAM; nothing where somebody else's login is there.

    saslauthd is stopped while its settings file changes: Debian 12's script reads the pid file's place from the
    new text, so a running daemon would stay beside the new one.

    Args:
        other: that login.
    """
    if other is not None:
        return Plan("SMTP AUTH", (), (other.told,))
    bare = bool(state.missing_packages)
    changes: list[Change] = []
    settings: list[Change] = []
    for path, (file, why) in _files(family, release, host).items():
        place = changes if path != family.saslauthd_drop_in else settings
        directory = state.seen.get(path.parent)
        if directory is not None and directory.is_absent:
            place.extend(plan_directory(path.parent, None if bare else directory))
        place.extend(plan_file(path, state.seen[path], file, why))
    if bare:
        variables = tuple(
            Variable(name, release.saslauthd_left.get(name), text, why)
            for name, text, why in logins.variables(release, host)
            if text != release.saslauthd_left.get(name)
        )
        settings.append(VariablesChange(family.saslauthd_defaults, variables))
    else:
        defaults = state.seen[family.saslauthd_defaults].file
        content = (defaults.content or b"").decode("utf-8", errors="replace") if defaults else ""
        settings.extend(plan_variables(family.saslauthd_defaults, content, logins.variables(release, host)))
    if family.saslauthd_group and state.facts["in_group"].status != 0:
        changes.append(
            MembershipChange("postfix", family.saslauthd_group, "only this group may open saslauthd's socket")
        )
    masters = [text for text in state.facts["saslauthd_masters"].value.splitlines() if text]
    enabled, active = (
        state.facts["saslauthd_enabled"].value or "not-found",
        state.facts["saslauthd_active"].value,
    )
    if settings and masters:
        changes.append(UnitChange(UNIT, enabled, active, False, "it must not run while its pid file moves"))
        active = "inactive"
    changes.extend(settings)
    socket = f"-m {family.saslauthd_socket_directory}"
    works = enabled == "enabled" and active == "active" and len(masters) == 1 and socket in masters[0]
    if settings or not works or state.saslauthd_is_stale:
        changes.append(
            UnitChange(UNIT, enabled, active, True, "it answers smtpd's question whether a password is right")
        )
    return Plan(
        "SMTP AUTH through saslauthd and PAM", tuple(changes), (*_form(host), *_shut_out(state, host))
    )


def _form(host: inventory.Host) -> tuple[str, ...]:
    """Say which names PAM is asked for where the inventory has a realm."""
    if not host.sasl.realm:
        return ()
    return (f"sasl.realm {host.sasl.realm}: PAM is asked for the whole name, NAME@{host.sasl.realm}.",)


def _shut_out(state: MailState, host: inventory.Host) -> tuple[str, ...]:
    """Say how many accounts with a password a floor of user ids keeps out, root aside."""
    floor = host.sasl.minimum_uid
    uids = [int(uid) for uid in re.findall(r"^[0-9]{1,10}$", state.facts["logins"].value, re.MULTILINE)]
    below = sum(0 < uid < floor for uid in uids)
    if floor == 1 or not below:
        return ()
    return (
        f"sasl.minimum_uid {floor} keeps {below} of {len(uids)} accounts with a password from logging in.",
    )


def differences(
    state: MailState, family: Family, release: Release, host: inventory.Host
) -> tuple[Difference, ...]:
    """Who else checks logins: kept where that works. Else what somebody wrote and this plan would write is named.

    A person decides then. Files may be there before any package is.
    """
    other = logins.other_login(state, family, release, host)
    found = []
    if other is not None:
        if other.where in (str(family.smtpd_sasl_conf), str(family.saslauthd_defaults)):
            why = (
                "logins are checked by it, and that stays" if other.works else f"{other.lacks}: {logins.MEND}"
            )
            found.append(Difference(other.where, other.by, other.works, why))
        if other.works:
            return tuple(found)
    for path, (file, _) in _files(family, release, host).items():
        seen = state.seen[path]
        if seen.is_absent or seen.line == file.line or seen.line in state.left_files:
            continue
        if _is_left(path, seen, family):
            continue
        if other is not None and other.where == str(path):
            continue  # named above, with more to say
        found.append(
            Difference(str(path), seen.line, False, "this chapter writes it, and somebody else did before")
        )
    for name, lines, why in logins.foreign_variables(state, family, release, host):
        found.append(Difference(f"{family.saslauthd_defaults}, {name}", lines, False, why))
    return tuple(found)
