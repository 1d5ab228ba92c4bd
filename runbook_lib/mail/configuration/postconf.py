"""Settings of main.cf and services of master.cf as changes, made by postconf(1), undone by value."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath
from typing import Literal

from runbook_lib.messages import message
from runbook_lib.remote.change import Change, Guard, TouchedPath, here_document, quote
from runbook_lib.remote.files import Seen, real, rewritten, touched
from runbook_lib.remote.system import SYSTEM_SH
from runbook_lib.visible import one_line

MAIN_CF = PurePosixPath("/etc/postfix/main.cf")
MASTER_CF = PurePosixPath("/etc/postfix/master.cf")
VERSION = {"mail_version": "postconf -h mail_version"}  # the fact that says which Postfix is there
BLANK = " \t\r\n\v\f"  # isspace(3) in the C locale, as Postfix asks; a blank of Unicode is part of a value
BETWEEN = (
    "\v"  # between two lines of one service; it is white space to Postfix, so that no folded line has it
)
_SH = resources.files(__package__).joinpath("settings.sh").read_text()
_RUNS = 'postfix_now > "$J/$N.postfix"'  # what a way back is to find again


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
    return "" if value is None else f"{name} = {value}" if value else f"{name} ="


_COPY = "/run/runbook.postfix"


def _edited(path: PurePosixPath, seen: Seen | None, edits: Sequence[str]) -> str:
    """Lines that have postconf edit a copy, and put its bytes into the file.

    On the file itself postconf(1) writes another beside it, root:root 0644, and renames that: whoever may read the
    file, and a link in its place, would be lost.
    """
    lines = [f"install -d -m 0700 {_COPY}", f"cp {MAIN_CF} {MASTER_CF} {_COPY}", *edits]
    lines += [rewritten(real(path, seen), f"cat {_COPY}/{path.name}"), f"rm -r {_COPY}"]
    return "\n".join(lines)


@dataclass(frozen=True)
class SettingsChange(Change):
    """Entries of main.cf, set or removed in one step.

    Args:
        settings: the entries.
        seen: what main.cf is; None where the plan could not know it.
    """

    settings: tuple[Setting, ...]
    seen: Seen | None = None

    @property
    def thing(self) -> str:
        return str(MAIN_CF)

    @property
    def title(self) -> str:
        count = len(self.settings)
        if count == 1:
            return message("{file}: 1 setting", file=MAIN_CF)
        return message("{file}: {count} settings", file=MAIN_CF, count=count)

    @property
    def touches(self) -> Sequence[TouchedPath]:
        return touched(MAIN_CF, self.seen, None)

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
            lines.append(f"postconf -c {_COPY} -e " + " \\\n  ".join(wanted))
        if removed:
            lines.append(f"postconf -c {_COPY} -X " + " ".join(map(quote, removed)))
        return _edited(MAIN_CF, self.seen, lines)

    def as_lines(self) -> str:
        removed = [f"# without {one_line(line(s.name, s.before))}" for s in self.settings if s.after is None]
        return (
            "\n".join([*(line(s.name, s.after) for s in self.settings if s.after is not None), *removed])
            + "\n"
        )

    def before_commands(self) -> str:
        rows = "".join(
            f"{s.name}\t{line(s.name, s.before) or '-'}\t{line(s.name, s.after) or '-'}\n"
            for s in self.settings
        )
        return f'{_RUNS}\ncat > "$J/$N.settings" {here_document(rows)}'

    def undo(self) -> str:
        return "settings_back $N"


@dataclass(frozen=True)
class Service:
    """One service of master.cf.

    Args:
        name: 'submission/inet'.
        before: its lines now as `postconf -M` prints them, white space folded; () when there is none.
        after: the line it shall have; None: there shall be no such service.
        why: the reason.
    """

    name: str
    before: tuple[str, ...]
    after: str | None
    why: str

    @property
    def is_as_wanted(self) -> bool:
        return self.before == (() if self.after is None else (self.after,))


def folded(text: str) -> str:
    """A line of master.cf with what is white space to Postfix folded to one blank."""
    return " ".join(re.findall(f"[^{BLANK}]+", text))


@dataclass(frozen=True)
class ServicesChange(Change):
    """Services of master.cf, each written whole, so that a second run finds the same line (postconf(1), -M).

    Args:
        services: the services.
        as_text: edit the file as text, since `postconf -M` only reads before 2.11 (RELEASE_NOTES-2.11).
        seen: what master.cf is; None where the plan could not know it.
    """

    services: tuple[Service, ...]
    as_text: bool = False
    seen: Seen | None = None

    @property
    def thing(self) -> str:
        return str(MASTER_CF)

    @property
    def title(self) -> str:
        return f"{MASTER_CF}: " + ", ".join(service.name for service in self.services)

    @property
    def touches(self) -> Sequence[TouchedPath]:
        return touched(MASTER_CF, self.seen, None)

    @property
    def guards(self) -> Sequence[Guard]:
        return [
            Guard(service_line(s.name), BETWEEN.join(s.before), f"{MASTER_CF}, {s.name}")
            for s in self.services
        ]

    @property
    def functions(self) -> Mapping[str, str]:
        return {"settings": _SH}

    def diff(self) -> str:
        lines = [f"--- {MASTER_CF}", f"+++ {MASTER_CF}"]
        for service in self.services:
            for one in service.before:
                lines += ["-" + part for part in wrapped(one)]
            if service.after is not None:
                lines += ["+" + part for part in wrapped(service.after)]
        return "\n".join(lines) + "\n"

    def commands(self) -> str:
        if not self.as_text:
            edits = [
                f"postconf -c {_COPY} -MX {quote(s.name)}"
                if s.after is None
                else f"postconf -c {_COPY} -M {quote(f'{s.name}={s.after}')}"
                for s in self.services
            ]
            return _edited(MASTER_CF, self.seen, edits)
        mine = " || ".join(
            '$1 == "{}" && $2 == "{}"'.format(*service.name.split("/")) for service in self.services
        )
        at = real(MASTER_CF, self.seen)
        # Comments and blank lines inside a service stay; it goes on with lines that begin with white space (master(5)).
        others = f"awk '/^[^# \\t]/ {{ mine = {mine} }} /^[ \\t]*(#|$)/ || !mine' {quote(at)}"
        return rewritten(at, f"{{ {others}; cat; }} {here_document(self.as_lines())}")

    def as_lines(self) -> str:
        parts = [part for s in self.services if s.after is not None for part in wrapped(s.after)]
        gone = (one for s in self.services if s.after is None for one in s.before)
        removed = [f"# without {one_line(one)}" for one in gone]
        return "\n".join([*parts, *removed]) + "\n"

    def before_commands(self) -> str:
        rows = "".join(
            f"{s.name}\t{BETWEEN.join(s.before) or '-'}\t{s.after or '-'}\n" for s in self.services
        )
        return f'{_RUNS}\ncat > "$J/$N.services" {here_document(rows)}'

    def undo(self) -> str:
        return "services_back $N"


def service_line(name: str) -> str:
    """The command that prints a service as `postconf -M` has it, white space folded; nothing when there is none.

    Where a service stands there twice, both are printed, with `BETWEEN` between them.

    Args:
        name: 'submission/inet'. It is picked out by awk: before 2.11 postconf writes this name with a dot.
    """
    word, kind = name.split("/")
    return (
        f"postconf -M 2>/dev/null | awk -v name={quote(word)} -v kind={quote(kind)} "
        "'$1 == name && $2 == kind { $1 = $1; line = line sep $0; sep = \"\\v\" } END { if (sep) print line }'"
    )


def wrapped(service: str) -> list[str]:
    """A service as `postconf -Mf` draws it: the eight columns, then an option a line."""
    first, *options = service.split(" -o ")
    return [first, *(f"    -o {option}" for option in options)]


# Lines of `postfix check` that are no errors: of chroot copies (Debian 13); and of mail that arrives or is delivered
# meanwhile, a file under the name that it has before it is a mail (postsuper(1)), and one that is gone again.
_NO_ERRORS = "|".join(
    (
        ": (updating|refreshing) ",
        r"bogus file name: (incoming|maildrop)/[0-9]+\.[0-9]+$",
        "^find: .*No such file or directory$",
    )
)


@dataclass(frozen=True)
class TakenUp(Change):
    """Postfix takes up what is on disk: a reload drops no session (postfix(1)), a start where it does not run.

    `postfix check` and reload exit with 0 for much that is wrong, so their text counts too.

    Args:
        why: what changed that the running Postfix does not know yet.
        how: 'reload'; 'restart', where it shall listen on other addresses; 'start'.
        enabled: whether it starts with the host already.
        known: warnings that were there before, without their prefix: they are the administrator's, not ours.
    """

    why: str
    how: Literal["reload", "restart", "start"]
    enabled: bool = True
    known: tuple[str, ...] = ()

    @property
    def thing(self) -> str:
        return "postfix"

    def state_before(self) -> str:
        return ""

    def state_after(self) -> str:
        return self.how

    @property
    def title(self) -> str:
        if self.how == "reload":
            return message("Postfix is reloaded: {why}", why=self.why)
        if self.how == "restart":
            return message("Postfix is restarted: {why}", why=self.why)
        return message("Postfix is started: {why}", why=self.why)

    @property
    def timeout_s(self) -> float:
        return 120.0

    @property
    def functions(self) -> Mapping[str, str]:
        return {"settings": _SH, "system": SYSTEM_SH}

    def diff(self) -> str:
        before = "not running" if self.how == "start" else "running with what was there before"
        return f"-{before}\n+{self.how}\n"

    def commands(self) -> str:
        known = "".join(f" | grep -vF {quote(warning)}" for warning in self.known)
        lines = [
            f"_told=$(postfix check 2>&1 | grep -Ev {quote(_NO_ERRORS)}{known} || :)",
            'if [ -n "$_told" ]; then printf \'%s\\n\' "$_told"; exit 1; fi',
        ]
        if self.how == "start" or not self.enabled:
            lines.append("systemctl enable --quiet postfix")
        lines.append("postfix reload" if self.how == "reload" else f"systemctl {self.how} postfix")
        lines.append("_n=0; until postfix status; do _n=$((_n + 1)); test $_n -lt 20; sleep 0.5; done")
        return "\n".join(lines)

    def before_commands(self) -> str:
        return f'{_RUNS}\nunit_enabled postfix > "$J/$N.enabled"\npostfix_now > "$J/$N.active"'

    def undo(self) -> str:
        return f"postfix_back $N {self.how}"
