"""Packages, units and group memberships of a host, as changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath

from runbook_lib.families import PackageManager
from runbook_lib.families.known import FAMILIES
from runbook_lib.messages import message
from runbook_lib.remote.change import Change, Guard, because, here_document, quote
from runbook_lib.remote.connection import Host

_PACKAGES_SH = resources.files(__package__).joinpath("packages.sh").read_text()
LOCK_PATIENCE_S = 120  # as long as apt-get is told to wait for dpkg's lock
SYSTEM_SH = resources.files(__package__).joinpath("system.sh").read_text()


def installed_versions(host: Host, change: "PackagesChange") -> str:
    """The exact versions of what a change has installed, as 'NAME: VERSION', between commas."""
    look = change.manager.versions.format(names=" ".join(map(quote, change.packages)))
    return ", ".join(host.run(look, check=False).text.splitlines())


def install_is_cut_off(host: Host) -> bool:
    """Whether an install on the host was cut off and has to be completed, by a package manager that needs help then."""
    look = "\n".join(
        f"if command -v {manager.command} > /dev/null; then {manager.unfinished}; fi"
        for family in FAMILIES
        for manager in family.package_managers
        if manager.unfinished
    )
    return bool(host.run(look, root=True, look=True).stdout.strip())


@dataclass(frozen=True)
class Traces:
    """What a service leaves beside the files that its packages list, and what they may not be removed for.

    Args:
        service: its name, a word that a function of sh may begin with.
        package: the one that brings it. Once that is gone, what is left in its folders is somebody else's.
        settings: the folder with its settings.
        paths: what scripts of its packages make or change; where it was there before, it comes back.
        folders: those that it or they leave behind, the innermost first; empty ones go, where they were not there.
        remade: of `paths`, what it makes anew as it runs, so that a change of it is nobody's.
        purged: what clearing a removed package takes away of what others may have changed, by package.
        functions: POSIX sh, in which the run's folder is J; functions with the service's name before these words:
            `_keeps PACKAGE...` prints why these stay, after it has seen to the service; nothing where they may go;
            `_stopped NUMBER PACKAGE...` takes away what it made as it ran, before they are removed;
            `_rest NUMBER` does the same with `remade`, once they are gone;
            `_strange` prints what is in its folders and is neither its own nor its distribution's, a path a line.
    """

    service: str
    package: str
    settings: PurePosixPath
    paths: tuple[PurePosixPath, ...]
    folders: tuple[PurePosixPath, ...]
    remade: tuple[PurePosixPath, ...]
    purged: Mapping[str, tuple[PurePosixPath, ...]]
    functions: str

    @property
    def shell(self) -> str:
        """All of it as functions, as packages.sh calls them."""
        name = self.service
        said: Mapping[str, Iterable[str | PurePosixPath]] = {
            "package": (self.package,),
            "settings": (self.settings,),
            "paths": self.paths,
            "folders": self.folders,
            "remade": self.remade,
        }
        told = [f"{name}_{word}() {{ {_lines(lines)}; }}" for word, lines in said.items()]
        cases = "".join(f" {quote(package)}) {_lines(paths)} ;;" for package, paths in self.purged.items())
        told.append(f"{name}_purged() {{ case $1 in{cases} *) ;; esac; }}")
        return "\n".join([f'packaged_services="${{packaged_services:-}} {name}"', *told, self.functions])


def _lines(words: Iterable[str | PurePosixPath]) -> str:
    """A command that prints them, a line each."""
    quoted = " ".join(map(quote, words))
    return f"printf '%s\\n' {quoted}" if quoted else ":"


@dataclass(frozen=True)
class PackagesChange(Change):
    """Packages that are not there yet, installed without a question and without recommends.

    Args:
        packages: names to install; none where only an install that was cut off is left to be completed.
        manager: installs them.
        preseed: answers to the packages' questions, in the form of debconf-set-selections(1).
        why: the reason, shown with the title.
        cut_off: an install was cut off on this host, and is completed first.
        traces: what a service that they bring leaves, for a rollback; None where they bring none.
    Source: debconf(7), apt-get(8); dnf(8). Both wait while another package manager is at work.
    """

    packages: tuple[str, ...]
    manager: PackageManager
    preseed: tuple[str, ...] = ()
    why: str = ""
    cut_off: bool = False
    traces: Traces | None = None

    @property
    def thing(self) -> str:
        return " ".join(self.packages)

    @property
    def title(self) -> str:
        if not self.packages:
            return message("the install that was cut off is completed")
        names = ", ".join(self.packages)
        what = message("packages {names} are installed", names=names)
        if self.cut_off:
            what = message(
                "packages {names} are installed, after an install that was cut off is completed", names=names
            )
        return because(what, self.why)

    @property
    def timeout_s(self) -> float:
        return 600.0

    @property
    def _names(self) -> str:
        return " ".join(map(quote, self.packages))

    @property
    def guards(self) -> Sequence[Guard]:
        if not self.packages:
            return ()
        there = self.manager.installed.format(names=self._names)
        return (Guard(f"{there} | tr '\\n' ' '", "", "packages already installed"),)

    @property
    def functions(self) -> Mapping[str, str]:
        own = resources.files(__package__).joinpath(self.manager.functions).read_text()
        functions = {"packages": f"packages_with={self.manager.command}\n{own}\n{_PACKAGES_SH}"}
        if (
            self.traces
        ):  # a file of its own, so that another change of packages in the run does not write over it
            functions[f"packages-{self.traces.service}"] = self.traces.shell
        return functions

    def state_before(self) -> str:
        return "half installed" if self.cut_off else ""

    def state_after(self) -> str:
        return "\n".join(self.packages)  # their versions are bound for the host as a whole

    def diff(self) -> str:
        answers = "".join(f"+ answer: {line}\n" for line in self.preseed)
        left = "- packages that are half installed\n" if self.cut_off else ""
        return left + "".join(f"+ package {name}\n" for name in self.packages) + answers

    def commands(self) -> str:
        lines = []
        if self.preseed:
            lines.append(
                "debconf-set-selections " + here_document("".join(f"{line}\n" for line in self.preseed))
            )
        lines += [self.manager.complete] if self.cut_off else []
        if not self.packages:
            return "\n".join(lines)
        lines += [self.manager.refresh] if self.manager.refresh else []
        lines.append(self.manager.install.format(names=self._names))
        return "\n".join(lines)

    def before_commands(self) -> str:
        # Lists are needed for the simulation; to refresh them again in the commands costs nothing then.
        refresh = (
            f"{self.manager.refresh} > /dev/null 2>&1 < /dev/null || :\n" if self.manager.refresh else ""
        )
        wait = f'packages_wait {LOCK_PATIENCE_S} || {{ say "BUSY $(packages_held)"; exit 1; }}\n'
        brought = f"{refresh}packages_brought {self._names}" if self.packages else ":"
        return f'{wait}packages_litter\n{brought} > "$J/$N.brought"\npackages_note "$N"\npackages_room'

    def after_commands(self) -> str:
        return 'packages_made "$N"\npackages_litter\nTMPDIR=/var/tmp'

    def undo(self) -> str:
        return "packages_back $N"


@dataclass(frozen=True)
class UnitChange(Change):
    """A systemd unit that is enabled and runs, or is stopped while its files change.

    Args:
        unit: its name.
        enabled_before, active_before: what `systemctl is-enabled` and `is-active` said.
        active: what it shall be; True also enables it and starts it anew.
        why: the reason.
    """

    unit: str
    enabled_before: str
    active_before: str
    active: bool
    why: str = ""

    @property
    def thing(self) -> str:
        return self.unit

    def state_before(self) -> str:
        return ""  # the unit may come with a package of the same run

    @property
    def title(self) -> str:
        what = message("{unit} is stopped", unit=self.unit)
        if self.active:
            what = message("{unit} is enabled and started", unit=self.unit)
        return because(what, self.why)

    @property
    def functions(self) -> Mapping[str, str]:
        return {"system": SYSTEM_SH}

    def diff(self) -> str:
        wanted = "enabled, active" if self.active else "inactive"
        return f"-{self.unit}: {self.enabled_before}, {self.active_before}\n+{self.unit}: {wanted}\n"

    def commands(self) -> str:
        unit = quote(self.unit)
        if not self.active:
            return f"systemctl stop {unit}"
        return f"systemctl daemon-reload\nsystemctl enable --quiet {unit}\nsystemctl restart {unit}"

    def before_commands(self) -> str:
        unit, leaves = quote(self.unit), "active" if self.active else "inactive"
        return (
            f'unit_enabled {unit} > "$J/$N.enabled"\nunit_active {unit} > "$J/$N.active"\n'
            f'say {leaves} > "$J/$N.leaves"'
        )

    def undo(self) -> str:
        return f"unit_back $N {quote(self.unit)}"


@dataclass(frozen=True)
class MembershipChange(Change):
    """A user that joins a group."""

    user: str
    group: str
    why: str = ""

    @property
    def thing(self) -> str:
        return self.group

    @property
    def title(self) -> str:
        what = message("{user} joins group {group}", user=self.user, group=self.group)
        return because(what, self.why)

    @property
    def functions(self) -> Mapping[str, str]:
        return {"system": SYSTEM_SH}

    def diff(self) -> str:
        return f"+{self.group}: {self.user}\n"

    def commands(self) -> str:
        return f"usermod -aG {quote(self.group)} {quote(self.user)}"

    def undo(self) -> str:
        return f"membership_back $N {quote(self.user)} {quote(self.group)}"
