"""Looking at everything that a run on a host needs: a row for each thing, also where an earlier one failed."""

import shlex
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from runbook_lib import inventory, remote
from runbook_lib.doctor import judge, reached
from runbook_lib.doctor.finding import Finding, ok, stops, untested
from runbook_lib.doctor.looks import ALWAYS
from runbook_lib.errors import (
    ApplyRefused,
    HostKeyChanged,
    HostKeyRevoked,
    HostKeyUnknown,
    HostUnreachable,
    LoginRefused,
    RunbookError,
    SecretUnavailable,
    SudoRefused,
)
from runbook_lib.families import Family, Release
from runbook_lib.families.known import find
from runbook_lib.mail import reading
from runbook_lib.mail.target import chapter_plans
from runbook_lib.remote import files, runs
from runbook_lib.remote.facts import Fact, gather

_PORTS = (25, 465, 587)
_AT_ONCE = 16
_KEY_ERRORS = (HostKeyUnknown, HostKeyChanged, HostKeyRevoked)
# In the order in which one rests on the other.
_ON_THE_HOST = (
    "login shell",
    "sudo",
    "system",
    "clock",
    "files",
    "disk",
    "package manager",
    "package sources",
)


def examine_all(
    site: inventory.Site, hosts: Iterable[inventory.Host]
) -> Iterator[tuple[inventory.Host, tuple[Finding, ...]]]:
    """Look at hosts, several at a time; the findings come in the order of the hosts."""
    chosen = list(hosts)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from zip(chosen, pool.map(lambda host: examine(site, host), chosen), strict=True)


def examine(site: inventory.Site, host: inventory.Host) -> tuple[Finding, ...]:
    """Look at everything that a run on a host needs.

    Returns: a finding for each thing; what could not be looked at because of another says so.
    """
    found = list(_secrets(site, host))
    try:
        connected = remote.connect(site, host)
    except RunbookError as error:
        return (*_not_connected(error), *found)
    found[:0] = [
        ok("reach", connected.way),
        ok("host key", f"{connected.host_key}, as known"),
        ok("login key", f"{connected.user} is let in"),
    ]
    try:
        for finding in _on_the_host(site, host, connected):
            found.append(finding)
    except RunbookError as error:
        found.append(stops("the look itself", error.problem, error.remedy))
    return tuple(found)


def _secrets(site: inventory.Site, host: inventory.Host) -> Iterator[Finding]:
    """Can what the inventory refers to be had on this machine?"""
    # sudo's own is asked for where sudo is tried.
    wanted = tuple(one for one in inventory.secrets_of(site, host) if one.reference != host.sudo.password)
    had = 0
    for one in wanted:
        try:
            one.resolve()
            had += 1
        except SecretUnavailable as error:
            yield stops("secrets", f"{error.where}: {error.problem}", error.remedy)
    if had == len(wanted):
        yield ok("secrets", f"{had} references lead to a secret")


def _not_connected(error: RunbookError) -> Iterator[Finding]:
    """What of the way to the host was good, what was not, and what was not looked at for it."""
    seen = f"{error.where}: {error.problem}"
    if isinstance(error, LoginRefused):
        yield ok("reach", "sshd answers")
        yield ok("host key", "as known")
        yield stops("login key", seen, error.remedy)
    elif isinstance(error, _KEY_ERRORS):
        yield ok("reach", "sshd answers")
        yield stops("host key", seen, error.remedy)
        yield untested("login key", "nobody logs in to a host whose key is not the known one")
    else:
        yield stops("reach", seen, error.remedy)
        for what in ("host key", "login key"):
            yield untested(what, "there is no connection")
    for what in (*_ON_THE_HOST, *(f"port {number}" for number in _PORTS), "other runs"):
        yield untested(what, "nobody is logged in")


def _on_the_host(site: inventory.Site, host: inventory.Host, connected: remote.Host) -> Iterator[Finding]:
    told = f"getent passwd {shlex.quote(connected.user)} | cut -d: -f7"
    try:
        shell = connected.run(told, check=False).text.strip()
    except HostUnreachable as error:
        yield stops("login shell", error.problem, error.remedy)
        for what in (*_ON_THE_HOST[1:], *(f"port {number}" for number in _PORTS), "other runs"):
            yield untested(what, "no command runs")
        return
    yield ok("login shell", shell or "runs commands")
    root = True
    try:
        connected.run("id -u", root=True)
        yield ok("sudo", "not needed" if connected.user == "root" else f"{connected.user} becomes root")
    except (SudoRefused, SecretUnavailable) as error:
        root = False
        yield stops("sudo", error.problem, error.remedy)
    asked = datetime.now(UTC)
    facts = gather(connected, ALWAYS, root=root)
    now = asked + (datetime.now(UTC) - asked) / 2
    missing: list[str] = []
    family: Family | None = None
    try:
        family, release = find(facts["os_release"].value, facts["package_managers"].value, host.name)
    except ApplyRefused as error:
        yield stops("system", error.problem, error.remedy)
    else:
        yield judge.system(host, facts["os_release"].value, family, release)
    yield judge.clock(facts["time_utc"], now, host.name)
    if family is not None:
        yield from _packages(host, connected, (family, release), facts, missing, root)
        yield _files(connected, family, root)
    yield from judge.disk(facts["disk"], bool(missing) or family is None)
    for number in _PORTS:
        why_not = reached.from_here(host.names.smtp, number, site.resolver)
        yield judge.port(number, facts["ports"], why_not, facts["masters"].status == 0)
    if root:
        yield judge.other_run(runs.look(connected), host.name)
    else:
        yield untested("other runs", "root alone may look")


def _files(connected: remote.Host, family: Family, root: bool) -> Finding:
    """What the mail's files are that chapter 2 writes: plain files, or not."""
    if not root:
        return untested("files", "root alone sees all of them")
    paths = chapter_plans.paths(family)
    facts = gather(connected, files.looks((), paths), root=True, functions=files.FUNCTIONS)
    return judge.mail_files(files.seen_in(facts, (), paths))


def _packages(
    host: inventory.Host,
    connected: remote.Host,
    system: tuple[Family, Release],
    facts: dict[str, Fact],
    missing: list[str],
    root: bool,
) -> Iterator[Finding]:
    """The package manager and its sources; `missing` gets the packages that are to come.

    A login that somebody else set up and that works needs none of SASL, as chapter 2 has it.
    """
    family, release = system
    manager = family.package_manager
    names = " ".join((*family.packages, family.openssl_package))
    facts |= gather(
        connected,
        {"installed": manager.installed.format(names=names), "broken": manager.broken or ":"},
        root=root,
    )
    facts |= gather(connected, {"sources": manager.sources})  # not as root: so nothing can be written
    installed = set(facts["installed"].value.split())
    missing += [name for name in names.split() if name not in installed]
    if root and set(missing) - {"postfix", family.openssl_package}:
        wanted = {
            *reading.read_mail(connected, host, family, release).missing_packages,
            family.openssl_package,
        }
        missing[:] = [name for name in missing if name in wanted]
    refused = ""
    if missing and manager.refused:
        asked = {"refused": manager.refused.format(names=" ".join(missing))}
        refused = gather(connected, asked, root=root)["refused"].value
    yield judge.packages(facts, missing, manager.command, manager.mend, refused)
    places = facts["sources"].value.split()
    yield judge.sources({place: reached.from_host(connected, place) for place in places}, missing)
