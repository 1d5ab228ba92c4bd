"""Chapter 2 as plans: packages, the file Postfix reads, main.cf, master.cf, and taking them up."""

from collections.abc import Iterable
from typing import Literal

from runbook_lib.errors import ApplyRefused
from runbook_lib.mail.configuration.postconf import (
    BLANK,
    MAIN_CF,
    MASTER_CF,
    ServicesChange,
    Setting,
    SettingsChange,
    TakenUp,
    line,
)
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.target import decisions, filters, restrictions, wanted
from runbook_lib.mail.target.packages import traces
from runbook_lib.mail.target.services import services
from runbook_lib.messages import joined, message
from runbook_lib.remote.change import Plan, TouchedPath, quote
from runbook_lib.remote.files import MadeOnHost
from runbook_lib.remote.system import PackagesChange

_PACKAGES = message("Packages")
_PAIR = message("Key and chain in one file")
TAKING_UP = message("Taking it up")  # the title of the chapter's last plan


def plan_packages(state: MailState) -> Plan:
    """Packages that are missing, their questions answered before they are asked."""
    family = state.family
    cut_off = bool(state.facts["unfinished"].value)
    if not state.missing_packages and not (cut_off and state.facts["install_open"].value):
        return Plan(_PACKAGES)  # what somebody else left half installed is not ours to complete
    preseed: tuple[str, ...] = ()
    if "postfix" in state.missing_packages:
        fqdn = state.facts["hostname"].value
        mailname = fqdn if "." in fqdn else state.host.names.smtp
        preseed = tuple(answer.format(mailname=mailname) for answer in family.questions)
    change = PackagesChange(
        state.missing_packages, family.package_manager, preseed, cut_off=cut_off, traces=traces(family)
    )
    why = refused_packages(state)
    return Plan(_PACKAGES, (change,), (message("Apply refuses: {reason}.", reason=why),) if why else ())


def refused_packages(state: MailState) -> str:
    """Why the package manager would not install what is missing; '' where it would, or where nobody knows yet."""
    fact = state.facts.get("install_refused")
    if (
        fact is None or not fact.value or state.facts["unfinished"].value
    ):  # completing what is half installed comes first
        return ""
    return message(
        "{packages} cannot be installed ({reason})",
        packages=" ".join(state.missing_packages),
        reason=fact.value,
    )


def refuse_packages(state: MailState) -> None:
    """Raises: ApplyRefused: the package manager would not install what is missing. Nothing was changed."""
    if why := refused_packages(state):
        raise ApplyRefused(
            why,
            state.host.name,
            message(
                "decide about it on the host, as root: `apt-mark unhold NAME` where a hold is in the "
                "way, else what `apt-get -s install NAME` shows; then type the same again"
            ),
        )


def plan_joined_file(state: MailState) -> Plan:
    """The one file that Postfix reads, made on the host from the document's files and renamed into place.

    A pair in two files cannot be replaced in one step (TLS_README, 'Server-side certificate and private key
    configuration'); the bytes of the key never leave the host.
    """
    if state.certificate and state.certificate.serves:
        return Plan(_PAIR, (), state.certificate.notes)
    return Plan(_PAIR, tuple(change for one in state.by_certificate if (change := _joined(one)) is not None))


def _joined(state: MailState) -> MadeOnHost | None:
    """The file of one certificate; None where it is as wanted."""
    files = state.files
    seen = state.seen[files.joined]
    made_from = state.facts["joined_wanted"]
    as_wanted = (
        seen.file is not None
        and not state.pair_comes
        and state.facts["certificate_serial"].status == 0
        and seen.line == f"file 600 root:root {made_from.value}"
    )
    if as_wanted:
        return None
    new = quote(files.joined.with_name(f".{files.joined.name}.new"))
    key, certificate = quote(files.key), quote(files.certificate)
    lines = (
        f'test "$(openssl pkey -in {key} -pubout)" = "$(openssl x509 -in {certificate} -noout -pubkey)"\n'
        f"install -o root -g root -m 0600 /dev/null {new}\n"
        f"cat {key} {certificate} > {new}\n"
        f"sync {new}\nmv {new} {quote(files.joined)}"
    )
    comes = (message("# another pair comes from the chapters before: {pair}", pair=state.pair_comes),)
    made = message(
        "+file 600 root:root, made of {key} and {certificate}; refused where they do not fit each other",
        key=files.key,
        certificate=files.certificate,
    )
    shown = joined("\n", (*(comes if state.pair_comes else ()), f"-{seen.line}", made, ""))
    return MadeOnHost(
        message("{path} has key and chain", path=files.joined),
        (TouchedPath(files.joined, seen.line, secret=True),),
        lines,
        shown,
    )


def settings(state: MailState) -> tuple[Setting, ...]:
    """Every entry of main.cf that the chapter decides, as it is and as it shall be.

    What an earlier run of ours set because the inventory asked for it, and it does so no longer, goes back.
    What a person decided goes before both: an entry that is kept is none of ours, one that is replaced is.
    """
    stays = state.certificate is not None and state.certificate.stays
    decided = {
        entry.name: Setting(entry.name, state.main_cf.get(entry.name), entry.value, entry.why, entry.since)
        for entry in wanted.settings(
            state.version, state.release, state.host, state.on_25.files.joined, own_certificate=not stays
        )
        if not entry.replaces or state.main_cf.get(entry.name) in entry.replaces
    }
    for decision in state.host.decisions:
        name = decision.place.name
        value = state.main_cf.get(name)
        if decision.place.file != MAIN_CF.name:
            continue
        if decision.decide == "keep":
            choices = decisions.of_setting(name, value or "", state.version, written=name in decided)
            if choices.keep:
                decided.pop(name, None)
        elif name not in decided and decisions.can_be_replaced(name, state.guards):
            wish = decisions.replacement(name, state.guards)
            decided[name] = Setting(
                name, value, wish, message("as decided: {reason}", reason=decision.reason)
            )
    for name, before in state.found.items():
        now = state.main_cf.get(name)
        if name in decided or now is None or line(name, now) not in state.left[name]:
            continue
        value = None if before == "-" else before.partition("=")[2].strip(BLANK)
        why = message("the inventory no longer asks for it: as it was found")
        decided[name] = Setting(name, now, value, why)
    return tuple(decided.values())


def plan_settings(state: MailState) -> Plan:
    """What main.cf does not have yet."""
    differing = tuple(setting for setting in settings(state) if not setting.is_as_wanted)
    notes = (
        ()
        if state.installed
        else (
            message(
                "Postfix is not there yet: planned for {version}, as its package leaves main.cf.",
                version=state.version_text,
            ),
        )
    )
    change = SettingsChange(differing, state.seen.get(MAIN_CF))
    return Plan("main.cf", (change,) if differing else (), notes)


def plan_services(state: MailState) -> Plan:
    """What master.cf does not have yet."""
    differing = tuple(s for s in services(state) if not s.is_as_wanted)
    lists = tuple(
        message("{parameter}: {told}.", parameter=judged.parameter, told=judged.told)
        for judged in restrictions.judge(state)
    )
    notes = lists + filters.told(state) + _rate_of_tries(state)
    change = ServicesChange(differing, as_text=state.version < (2, 11), seen=state.seen.get(MASTER_CF))
    return Plan("master.cf", (change,) if differing else (), notes)


def _rate_of_tries(state: MailState) -> tuple[str, ...]:
    """How often one client may try a password; nothing where this Postfix has no such limit, or a service has its own.

    Source: postconf(5), smtpd_client_auth_rate_limit (Postfix 3.1 and later; its default is 0).
    """
    lines = (line for own in state.services.values() for line in own)
    if state.version < (3, 1) or any("smtpd_client_auth_rate_limit" in line for line in lines):
        return ()
    limit = state.main_cf.get("smtpd_client_auth_rate_limit", "0")
    if limit != "0":
        return (
            message(
                "One client may try {limit} logins in anvil_rate_time_unit (smtpd_client_auth_rate_limit).",
                limit=limit,
            ),
        )
    return (
        message(
            "Postfix does not limit how often one client tries a password (smtpd_client_auth_rate_limit is 0), and "
            "this chapter sets no limit: what the site has for that goes on."
        ),
    )


def plan_taking_up(state: MailState, earlier: Iterable[Plan]) -> Plan:
    """A reload, where something that Postfix reads is newer than the running Postfix; a start, where it does not run.

    Only a restart makes it listen on other addresses (postconf(5), inet_interfaces).

    Args:
        state: read after the earlier plans were applied, or before them when they are only shown.
        earlier: the chapter's other plans; in plan mode their changes are what would have to be taken up.
    """
    earlier = tuple(earlier)
    in_group = state.facts["in_group"].status == 0
    reasons = []
    if not state.is_running:
        reasons.append(message("it does not run"))
    else:
        if state.is_stale:
            reasons.append(message("its files are newer than the running Postfix"))
        elif state.shows_old_certificate:
            reasons.append(message("a process of it still shows the certificate that was in the file before"))
        if in_group and state.facts["runs_in_group"].status != 0:
            reasons.append(message("it does not have its new group yet"))
    if not reasons and any(plan.changes for plan in earlier):
        reasons.append(message("what the plans above change is not known to the running Postfix"))
    if state.listens_on_loopback and (
        state.main_cf.get("inet_interfaces", "all") == "all" or _opens(earlier)
    ):
        reasons.append(message("it takes connections from this host alone until it is restarted"))
    if state.is_running and not state.is_enabled:
        reasons.append(message("it would not start with the host"))
    if not reasons:
        return Plan(TAKING_UP)
    how: Literal["reload", "restart", "start"] = "restart" if state.listens_on_loopback else "reload"
    if not (state.is_running or (not state.installed and state.family.postfix_starts)):
        how = "start"
    why = joined("; ", reasons) if state.installed else message("new settings")
    enabled = state.is_enabled if state.installed else state.family.postfix_starts
    return Plan(TAKING_UP, (TakenUp(why, how, enabled, state.warnings),))


def _opens(earlier: Iterable[Plan]) -> bool:
    """Whether plans that were not made yet have Postfix listen on every address."""
    settings = (
        setting
        for plan in earlier
        for change in plan.changes
        if isinstance(change, SettingsChange)
        for setting in change.settings
    )
    return any(setting.name == "inet_interfaces" and setting.after == "all" for setting in settings)
