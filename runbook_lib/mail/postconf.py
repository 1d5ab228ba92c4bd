"""Settings of main.cf and services of master.cf as changes, made by postconf(1), undone by value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath

from runbook_lib.remote.change import Change, Guard, TouchedPath, here_document, quote

MAIN_CF = PurePosixPath("/etc/postfix/main.cf")
MASTER_CF = PurePosixPath("/etc/postfix/master.cf")
_SH = resources.files(__package__).joinpath("settings.sh").read_text()


@dataclass(frozen=True)
class Setting:
    """One entry of main.cf.

    Args:
        name: the parameter (postconf(5)).
        before: its explicit value now, None when main.cf does not set it.
        after: the value it shall have, None when main.cf shall not set it.
        why: the reason, in a few words.
        since: the first Postfix version that knows it, or "".
    """

    name: str
    before: str | None
    after: str | None
    why: str
    since: str = ""

    @property
    def is_as_wanted(self) -> bool:
        return self.before == self.after


def line(name: str, value: str | None) -> str:
    """As `postconf -n NAME` prints it: nothing for what is not set, no blank behind an empty value."""
    return "" if value is None else f"{name} = {value}".rstrip()


@dataclass(frozen=True)
class SettingsChange(Change):
    """Entries of main.cf, set or removed in one step (postconf writes a copy and renames it)."""

    settings: tuple[Setting, ...]

    @property
    def title(self) -> str:
        count = len(self.settings)
        return f"{MAIN_CF}: {count} setting{'s' * (count != 1)}"

    @property
    def touches(self) -> Sequence[TouchedPath]:
        return (TouchedPath(MAIN_CF, None),)

    @property
    def guards(self) -> Sequence[Guard]:
        return [
            Guard(f"postconf -n {quote(s.name)} 2>/dev/null", line(s.name, s.before), f"{MAIN_CF}, {s.name}")
            for s in self.settings
        ]

    @property
    def functions(self) -> Mapping[str, str]:
        return {"settings": _SH}

    def diff(self) -> str:
        lines = [f"--- {MAIN_CF}", f"+++ {MAIN_CF}"]
        for setting in self.settings:
            if setting.before is not None:
                lines.append("-" + line(setting.name, setting.before))
            if setting.after is not None:
                lines.append("+" + line(setting.name, setting.after))
        return "\n".join(lines) + "\n"

    def commands(self) -> str:
        wanted = [quote(line(s.name, s.after)) for s in self.settings if s.after is not None]
        removed = [s.name for s in self.settings if s.after is None]
        lines = []
        if wanted:
            lines.append("postconf -e " + " \\\n  ".join(wanted))
        if removed:
            lines.append("postconf -X " + " ".join(map(quote, removed)))
        return "\n".join(lines)

    def as_lines(self) -> str:
        removed = [f"# without {line(s.name, s.before)}" for s in self.settings if s.after is None]
        return (
            "\n".join([*(line(s.name, s.after) for s in self.settings if s.after is not None), *removed])
            + "\n"
        )

    def before_commands(self) -> str:
        rows = "".join(
            f"{s.name}\t{line(s.name, s.before) or '-'}\t{line(s.name, s.after) or '-'}\n"
            for s in self.settings
        )
        return f'cat > "$J/$N.settings" {here_document(rows)}'

    def undo(self) -> str:
        return "settings_back $N"


@dataclass(frozen=True)
class Service:
    """One service of master.cf.

    Args:
        name: 'submission/inet'.
        before: its line now as `postconf -M` prints it, white space folded; None when there is none.
        after: the line it shall have.
        why: the reason.
    """

    name: str
    before: str | None
    after: str
    why: str


def folded(text: str) -> str:
    """A line of master.cf with its white space folded to one blank."""
    return " ".join(text.split())


@dataclass(frozen=True)
class ServicesChange(Change):
    """Services of master.cf, each written whole, so that a second run finds the same line (postconf(1), -M)."""

    services: tuple[Service, ...]

    @property
    def title(self) -> str:
        return f"{MASTER_CF}: " + ", ".join(service.name for service in self.services)

    @property
    def touches(self) -> Sequence[TouchedPath]:
        return (TouchedPath(MASTER_CF, None),)

    @property
    def guards(self) -> Sequence[Guard]:
        return [
            Guard(
                f"postconf -M {quote(s.name)} 2>/dev/null | tr -s ' \\t' ' '",
                s.before or "",
                f"{MASTER_CF}, {s.name}",
            )
            for s in self.services
        ]

    @property
    def functions(self) -> Mapping[str, str]:
        return {"settings": _SH}

    def diff(self) -> str:
        lines = [f"--- {MASTER_CF}", f"+++ {MASTER_CF}"]
        for service in self.services:
            if service.before is not None:
                lines += ["-" + part for part in wrapped(service.before)]
            lines += ["+" + part for part in wrapped(service.after)]
        return "\n".join(lines) + "\n"

    def commands(self) -> str:
        return "\n".join(f"postconf -M {quote(f'{s.name}={s.after}')}" for s in self.services)

    def as_lines(self) -> str:
        return "\n".join(part for s in self.services for part in wrapped(s.after)) + "\n"

    def before_commands(self) -> str:
        rows = "".join(f"{s.name}\t{s.before or '-'}\t{s.after}\n" for s in self.services)
        return f'cat > "$J/$N.services" {here_document(rows)}'

    def undo(self) -> str:
        return "services_back $N"


def wrapped(service: str) -> list[str]:
    """A service as `postconf -Mf` draws it: the eight columns, then an option a line."""
    first, *options = service.split(" -o ")
    return [first, *(f"    -o {option}" for option in options)]


@dataclass(frozen=True)
class TakenUp(Change):
    """Postfix takes up what is on disk: a reload drops no session (postfix(1)), a start where it does not run.

    `postfix check` and reload exit with 0 for much that is wrong, so their text counts too.

    Args:
        why: what changed that the running Postfix does not know yet.
        running: whether Postfix runs now.
        known: warnings that were there before, without their prefix: they are the administrator's, not ours.
    """

    why: str
    running: bool
    known: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"Postfix is {'reloaded' if self.running else 'started'}: {self.why}"

    @property
    def timeout_s(self) -> float:
        return 120.0

    @property
    def functions(self) -> Mapping[str, str]:
        return {"settings": _SH}

    def diff(self) -> str:
        return f"-running with what was there before\n+{'reload' if self.running else 'start'}\n"

    def commands(self) -> str:
        # 'updating' and 'refreshing' tell of chroot copies (Debian 13) and are no errors.
        known = "".join(f" | grep -vF {quote(warning)}" for warning in self.known)
        check = (
            f"_told=$(postfix check 2>&1 | grep -Ev ': (updating|refreshing) '{known} || :)\n"
            'if [ -n "$_told" ]; then printf \'%s\\n\' "$_told"; exit 1; fi'
        )
        action = (
            "postfix reload" if self.running else "systemctl enable --quiet postfix\nsystemctl start postfix"
        )
        wait = "_n=0; until postfix status; do _n=$((_n + 1)); test $_n -lt 20; sleep 0.5; done"
        return f"{check}\n{action}\n{wait}"

    def undo(self) -> str:
        return "afterwards postfix_again"
