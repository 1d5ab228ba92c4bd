"""What was looked at on a host, judged: pure functions from facts to findings."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath

from runbook_lib import inventory
from runbook_lib.doctor.finding import Finding, ok, stops, untested, warning
from runbook_lib.errors import ApplyRefused, CommandFailed
from runbook_lib.families import Family, Release
from runbook_lib.families.known import ended
from runbook_lib.pki.clock import check_clock_skew, told_time
from runbook_lib.remote.facts import Fact
from runbook_lib.remote.files import Seen
from runbook_lib.remote.runs import Standing as RunStanding

MIB = 1024  # of KiB, which df counts in
STOP_MIB, WARN_MIB = (
    20,
    300,
)  # a settings file is written beside the old one; packages with their lists take some 200
STOP_INODES, WARN_INODES = 200, 5000
# As `looks` prints it. df has a '-' for what a file system does not count.
_FILE_SYSTEM = re.compile(
    r"(?P<inodes_left>[0-9]{1,20}|-) (?P<inodes>[0-9]{1,20}|-) (?P<options>r[ow])? "
    r"(?P<left>[0-9]{1,20}) [0-9]{1,20} (?P<mount>/.*)"
)


def system(host: inventory.Host, os_release: str, family: Family, release: Release) -> Finding:
    """Is it a system that chapters are for, and the one that the inventory expects?"""
    name = f"{family.name} {release.version_id}"
    if host.family is not None and host.family != family.name:
        return stops(
            "system",
            f"{name}, and the inventory says family: {host.family}",
            "see whether the address leads to the host that was meant; else mend the inventory",
        )
    end = ended(os_release, release)
    if end and not host.past_its_end_is_known:
        return stops(
            "system",
            f"{name}, which has had no security fixes since {end}",
            f"move the mail to a newer one, or write past_its_end_is_known: true under hosts.{host.name}",
        )
    if end:
        return warning("system", f"{name}, without security fixes since {end}", "plan its replacement")
    return ok("system", name)


def mail_files(seen: Mapping[PurePosixPath, Seen]) -> Finding:
    """Can the files that chapter 2 writes be written, each in one step?"""
    barred = [f"{path}: {one.bar}" for path, one in seen.items() if one.bar]
    if barred:
        return warning(
            "files",
            "; ".join(barred),
            "put a plain file in its place, or take that away; a run that has to write it is refused before it begins",
        )
    links = [f"{path} is {one.told}, which is written in its place" for path, one in seen.items() if one.link]
    return ok("files", "; ".join(links) or "each is a plain file, or not there yet")


def clock(time_utc: Fact, now: datetime, name: str) -> Finding:
    """Do the clocks of host and controller agree?"""
    try:
        told = check_clock_skew(told_time(time_utc.value, name), now, name)
    except CommandFailed as error:
        return untested("clock", error.problem, error.remedy)
    except ApplyRefused as error:
        return stops("clock", error.problem, error.remedy)
    return ok("clock", told)


def disk(told: Fact, packages_missing: bool) -> list[Finding]:
    """Room for what a run writes, a row for each file system."""
    rows: dict[str, Finding] = {}
    for line in told.value.splitlines():
        match = _FILE_SYSTEM.fullmatch(line)
        if match is None or match["mount"] in rows:
            continue
        inodes_left, inodes, options, left, mount = match.group(
            "inodes_left", "inodes", "options", "left", "mount"
        )
        what = f"disk, {mount}"
        left_mib = int(left) // MIB
        seen = f"{left_mib:,} MiB free"
        counted = inodes not in ("-", "0")  # btrfs counts none
        if counted:
            seen += f", {int(inodes_left):,} inodes"
        needs_packages = packages_missing and mount in ("/", "/var")
        if options == "ro":
            rows[mount] = stops(what, f"{seen}; mounted read-only", f"mount -o remount,rw {mount}")
        elif left_mib < STOP_MIB or (counted and int(inodes_left) < STOP_INODES):
            rows[mount] = stops(
                what,
                seen,
                f"make room on {mount}: {STOP_MIB} MiB and {STOP_INODES} inodes are the least with which a "
                f"change begins (`du -x {mount} | sort -n | tail`)",
            )
        elif (needs_packages and left_mib < WARN_MIB) or (counted and int(inodes_left) < WARN_INODES):
            rows[mount] = warning(
                what, seen, f"make room on {mount}: packages and their lists take up to {WARN_MIB} MiB"
            )
        else:
            rows[mount] = ok(what, seen)
    return list(rows.values()) or [untested("disk", f"df says nothing (status {told.status})")]


def packages(
    facts: Mapping[str, Fact], missing: Sequence[str], manager: str, mend: str, refused: str = ""
) -> Finding:
    """Is the package manager free, is nothing half installed, and would it install what is missing?

    Args:
        refused: why it would not, in its own words; '' where it would, or where nobody knows yet.
    """
    what = "package manager"
    held = [line.split(" ", 2) for line in facts["locks"].value.splitlines()]
    if held:
        named = ((line[2] if line[2:] else "", line[1] if line[1:] else "unknown") for line in held)
        who = ", ".join(sorted({f"{name or 'a process'} (process {number})" for name, number in named}))
        return stops(
            what,
            f"{manager} is locked by {who}",
            "wait until it has ended (`ps -fp NUMBER` shows it); never delete the lock's file",
        )
    if facts["broken"].value:
        first = facts["broken"].value.splitlines()[0]
        return stops(what, f"packages are half installed: {first}", f"on the host, as root: {mend}")
    if refused:
        return stops(
            what,
            f"{' '.join(missing)} cannot be installed ({refused})",
            "on the host, as root: `apt-mark unhold NAME` where a hold is in the way, else see what "
            "`apt-get -s install NAME` shows",
        )
    wanted = f"to be installed: {', '.join(missing)}" if missing else "all that is needed is installed"
    return ok(what, f"{manager} is free; {wanted}")


def sources(reached: Mapping[str, str | None], missing: Sequence[str]) -> Finding:
    """Are the places that packages come from reached from the host?

    Args:
        reached: why not, by place; '' where it is reached, None where that could not be asked.
        missing: packages to be installed.
    """
    what = "package sources"
    failed = {place: why for place, why in reached.items() if why}
    if not reached:
        told = "the host names none"
        if missing:
            return stops(
                what,
                told,
                "give the host its distribution's sources: " + ", ".join(missing) + " come from there",
            )
        return warning(what, told, "give the host its distribution's sources, for security fixes")
    if not failed and None in reached.values():
        return untested(what, "sshd on the host forwards no connection, so nothing can be asked from there")
    if not failed:
        return ok(what, f"reached from the host: {', '.join(reached)}")
    seen = "not reached from the host: " + "; ".join(f"{place} ({why})" for place, why in failed.items())
    to_do = "see the host's DNS, route, firewall and proxy for packages"
    return stops(what, seen, to_do) if missing else warning(what, seen, to_do)


def port(number: int, told: Fact, from_here: str, postfix_runs: bool) -> Finding:
    """Who holds a port, and is it reached from here?

    Args:
        number: 25, 465 or 587.
        told: lines of `ss -Hltnp`.
        from_here: why it is not reached from here, '' where it is.
        postfix_runs: a process of master(8) is there; where root has not all its rights, as in a container, ss does
            not name it.
    """
    what = f"port {number}"
    if told.status != 0:
        return untested(
            what, f"ss does not say who holds it (status {told.status})", "install iproute2 on the host"
        )
    lines = [line for line in told.value.splitlines() if re.search(rf":{number}\s", line)]
    # Whom master(8) starts has its sockets, too: an smtpd that talks to somebody is another name in the same line.
    named = [set(re.findall(r'\("([^"]+)",pid=', line)) for line in lines]
    holders = sorted(set().union(*({"master"} if "master" in names else names for names in named)))
    others = [name for name in holders if name not in ("master", "systemd")]
    if others:
        return stops(
            what,
            f"held by {', '.join(others)}, not by Postfix",
            "decide about it: stop and disable it, and see what becomes of its queue, or leave this host out",
        )
    if not lines:
        return ok(what, "nobody listens yet")
    unnamed = "ss does not name who listens" + (", and Postfix runs" if postfix_runs else "")
    by = f"held by {', '.join(holders)}" if holders else unnamed
    alone = all(re.search(r"(127\.[0-9.]+|\[::1\]):\d+\s", line) for line in lines)
    if alone:
        return ok(what, f"{by}, for the host alone")
    if from_here:
        return warning(
            what,
            f"{by}; not reached from here: {from_here}",
            "see which firewall on the way is meant to be there; what cannot be asked is 'could not test' in a run, "
            "and then asked from the host itself",
        )
    return ok(what, f"{by}; reached from here")


def other_run(standing: RunStanding, name: str) -> Finding:
    """Is another run at work, or was one cut off?"""
    what = "other runs"
    if standing.holder or standing.changing:
        return stops(
            what,
            standing.told,
            f"let it end (`runbook status --host {name}`); its lock goes with its connection",
        )
    if standing.last is not None and standing.last.open:
        return warning(
            what,
            standing.told,
            f"runbook resume {standing.last.run}, or runbook rollback {standing.last.run} --host {name}",
        )
    return ok(what, standing.told)


def would_stop(findings: Iterable[Finding]) -> int:
    """How many of the findings would stop a run."""
    return sum(finding.standing == "stops a run" for finding in findings)
