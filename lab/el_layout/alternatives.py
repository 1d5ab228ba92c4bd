#!/usr/bin/python3
"""Stand-in for chkconfig's `alternatives`: its options, its wording, its state files, and units switched as it does.

Installed as /usr/sbin/alternatives on hosts with the layout of Enterprise Linux. Left out: --config, --family.
State is one file a group in /var/lib/alternatives: the mode, the leader's link, each follower's name and link, an
empty line, then for each alternative its target, `PRIORITY [UNIT]`, and its followers' targets (an empty line: none).
Source: alternatives(8), and the file as chkconfig writes it.
"""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

STATE = Path("/var/lib/alternatives")
LINKS = Path("/etc/alternatives")


class Refused(Exception):
    """What cannot be done, in alternatives' own words."""


@dataclass
class Alternative:
    """One program of a group.

    Args:
        target: the leader's.
        priority: the highest is best.
        unit: systemd unit that belongs to it, without its suffix.
        followers: name → target.
    """

    target: str
    priority: int
    unit: str = ""
    followers: dict[str, str] = field(default_factory=dict)


@dataclass
class Group:
    """Programs that provide the same thing, one of them chosen.

    Args:
        name: of the group, and of the leader's link in /etc/alternatives.
        link: the leader's.
        manual: somebody chose; else the best one is.
        followers: name → link.
        alternatives: in order of installation.
    """

    name: str
    link: str = ""
    manual: bool = False
    followers: dict[str, str] = field(default_factory=dict)
    alternatives: list[Alternative] = field(default_factory=list)

    @property
    def best(self) -> Alternative:
        """The one of the highest priority; of two, the one that came first."""
        return max(self.alternatives, key=lambda each: each.priority)

    @property
    def current(self) -> str:
        """Where the leader points now; empty where it does not."""
        link = LINKS / self.name
        return str(link.readlink()) if link.is_symlink() else ""

    def find(self, target: str) -> Alternative:
        """The alternative of a target."""
        for each in self.alternatives:
            if each.target == target:
                return each
        raise Refused(f"{target} has not been configured as an alternative for {self.name}")


def read(name: str, new: bool = False) -> Group:
    """A group from its state file."""
    try:
        lines = (STATE / name).read_text().split("\n")
    except FileNotFoundError:
        if new:
            return Group(name)
        raise Refused(f"{STATE / name}: No such file or directory") from None
    group = Group(name, link=lines[1], manual=lines[0] == "manual")
    rest = iter(lines[2:])
    for follower in rest:
        if not follower:
            break
        group.followers[follower] = next(rest)
    for target in rest:
        if not target:
            break
        priority, _, unit = next(rest).partition(" ")
        goals = {follower: next(rest) for follower in group.followers}
        followers = {follower: goal for follower, goal in goals.items() if goal}
        group.alternatives.append(Alternative(target, int(priority), unit, followers))
    return group


def write(group: Group) -> None:
    """Write a group's state, then set every link and unit by it."""
    lines = ["manual" if group.manual else "auto", group.link]
    for name, link in group.followers.items():
        lines += [name, link]
    lines.append("")
    for each in group.alternatives:
        lines += [each.target, f"{each.priority} {each.unit}".rstrip()]
        lines += [each.followers.get(name, "") for name in group.followers]
    path = STATE / group.name
    new = path.with_name(f"{group.name}.new")
    new.write_text("\n".join(lines) + "\n")
    new.replace(path)


def choose(group: Group, chosen: Alternative) -> None:
    """Point every link of the group at one alternative, and switch the units."""
    point(group.name, group.link, chosen.target)
    for name, link in group.followers.items():
        point(name, link, chosen.followers.get(name))
    for each in group.alternatives:
        if each.unit and each is not chosen and systemctl("is-enabled", each.unit):
            systemctl("disable", each.unit)
    if chosen.unit and not systemctl("is-enabled", chosen.unit):
        systemctl("preset", chosen.unit)


def point(name: str, link: str, target: str | None) -> None:
    """link → /etc/alternatives/NAME → target; no target: no links. A file in the way stays, and is told."""
    for path, goal in ((Path(link), str(LINKS / name)), (LINKS / name, target)):
        if path.exists() and not path.is_symlink():
            print(f"failed to link {path} -> {goal}: {path} exists and it is not a symlink", file=sys.stderr)
            continue
        path.unlink(missing_ok=True)
        if target is not None:
            path.symlink_to(str(goal))


def systemctl(verb: str, unit: str) -> bool:
    """Whether `systemctl -q VERB UNIT` succeeds."""
    return (
        subprocess.run(
            ["/usr/bin/systemctl", "-q", verb, f"{unit}.service"], capture_output=True, check=False
        ).returncode
        == 0
    )


def install(words: list[str]) -> None:
    """--install LINK NAME TARGET PRIORITY [--slave|--follower LINK NAME TARGET]… [--initscript UNIT]."""
    link, name, target, priority = words[:4]
    group = read(name, new=True)
    if group.link and group.link != link:
        raise Refused(f"the primary link for {name} must be {group.link}")
    group.link = link
    new = Alternative(target, int(priority))
    rest = iter(words[4:])
    for word in rest:
        if word in ("--slave", "--follower"):
            follower_link, follower, goal = next(rest), next(rest), next(rest)
            group.followers[follower] = follower_link
            new.followers[follower] = goal
        elif word == "--initscript":
            new.unit = next(rest)
        else:
            raise Refused(f"alternatives: a stand-in of the lab (not chkconfig): it does not know {word}")
    group.followers = dict(sorted(group.followers.items()))
    places = [place for place, each in enumerate(group.alternatives) if each.target == target]
    if places:
        group.alternatives[places[0]] = new
    else:
        group.alternatives.append(new)
    write(group)
    if not group.manual:
        choose(group, group.best)
    elif group.current == target:
        choose(group, new)


def remove(name: str, target: str) -> None:
    """--remove NAME TARGET: the best of the others takes over where it was the chosen one."""
    group = read(name)
    gone = group.find(target)
    group.alternatives.remove(gone)
    if not group.alternatives:
        for follower, link in {group.name: group.link, **group.followers}.items():
            point(follower, link, None)
        (STATE / name).unlink()
        return
    if group.current == target:
        group.manual = False
    write(group)
    if not group.manual:
        choose(group, group.best)


def select(name: str, target: str | None) -> None:
    """--set NAME TARGET, or --auto NAME with no target."""
    group = read(name)
    chosen = group.best if target is None else group.find(target)
    group.manual = target is not None
    write(group)
    choose(group, chosen)


def display(name: str) -> None:
    """--display NAME."""
    group = read(name)
    print(f"{name} - status is {'manual' if group.manual else 'auto'}.")
    print(f" link currently points to {group.current}")
    for each in group.alternatives:
        print(f"{each.target} - priority {each.priority}")
        for follower in group.followers:
            print(f" follower {follower}: {each.followers.get(follower, '(null)')}")
    print(f"Current `best' version is {group.best.target}.")


def list_groups() -> None:
    """--list."""
    for path in sorted(STATE.iterdir()):
        group = read(path.name)
        print(f"{group.name}\t{'manual' if group.manual else 'auto'}\t{group.current}")


def main(words: list[str]) -> int:
    """Run one command. Returns: 0, or 2 as chkconfig's does."""
    try:
        match words:
            case ["--install", *rest] if len(rest) >= 4:
                install(rest)
            case ["--remove", name, target]:
                remove(name, target)
            case ["--set", name, target]:
                select(name, target)
            case ["--auto", name]:
                select(name, None)
            case ["--display", name]:
                display(name)
            case ["--list"]:
                list_groups()
            case _:
                raise Refused(
                    f"alternatives: a stand-in of the lab (not chkconfig): it does not know {' '.join(words)}"
                )
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
