"""Who owns the files of the mail configuration on a host: read-only facts, and what they mean."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from runbook_lib.errors import CommandFailed
from runbook_lib.inventory import ManagerName
from runbook_lib.mail.configuration.postconf import MAIN_CF
from runbook_lib.mail.ownership.managers import ANYBODY, LOOKED_FOR, MANAGERS, NO_LONGER, PUPPET_VARDIRS
from runbook_lib.messages import joined, message
from runbook_lib.remote.change import Change, Plan, Withheld, quote
from runbook_lib.remote.facts import Fact

_COMMENT_CHARACTERS_MAX = 1000
_COMMENTS, _SIGNS, _PUPPET = "comments_of_owners", "signs_of_managers", "in_puppets_lists"


@dataclass(frozen=True)
class Owned:
    """That a file is somebody else's.

    Args:
        owner: who, for a person.
        told: how that is known.
    """

    owner: str
    told: str


@dataclass(frozen=True)
class Ownership:
    """Who owns what.

    Args:
        files: the files that somebody owns.
        suite: the panel or suite that makes the whole mail configuration; None: there is none.
        present: managers that are here, of which it is not known that they own any of the files.
    """

    files: Mapping[PurePosixPath, Owned]
    suite: Owned | None
    present: tuple[str, ...]

    def owner_of(self, change: Change) -> Owned | None:
        """Who owns a file that a change touches; what touches no file (packages, units) is a suite's."""
        for touched in change.touches:
            if touched.path in self.files:
                return self.files[touched.path]
        return None if change.touches else self.suite

    def told(self) -> str:
        """All of it, for a person, a line an owner; '' where nobody was found."""
        lines = []
        if self.suite:
            lines.append(
                message(
                    "{owner}: the whole mail configuration ({reason})",
                    owner=self.suite.owner,
                    reason=self.suite.told,
                )
            )
        lines += [
            message("{owner}: {path} ({reason})", owner=one.owner, path=path, reason=one.told)
            for path, one in self.files.items()
            if one != self.suite
        ]
        lines += [
            message("{name} is here; it is not known to own any of these files", name=name)
            for name in self.present
        ]
        return joined("\n", lines)


def facts(paths: Sequence[PurePosixPath], ours: Sequence[PurePosixPath] = ()) -> dict[str, str]:
    """Read-only commands that tell who owns some files.

    Args:
        paths: the files; those that are not there are fine.
        ours: further files, whose names are this runbook's: they are only looked for in Puppet's lists, and not read.
    """
    files = " ".join(quote(path) for path in paths)
    signs = " ".join(sign for manager in MANAGERS for sign in manager.signs)  # not quoted: some are patterns
    pattern = quote(f"^[[:space:]]*[#;].*({LOOKED_FOR})")
    return {
        _COMMENTS: f'set --; for _p in {files}; do if [ -f "$_p" ]; then set -- "$@" "$_p"; fi; done; '
        f'[ $# -eq 0 ] || grep -HiE {pattern} "$@" || [ $? -eq 1 ] || exit',  # 1: nothing matches; more: could not look
        _SIGNS: f'for _p in {signs}; do if [ -e "$_p" ]; then printf "%s\\n" "$_p"; fi; done',
        **facts_of_puppet((*paths, *ours)),
    }


def facts_of_puppet(paths: Sequence[PurePosixPath]) -> dict[str, str]:
    """A read-only command that looks for some files in Puppet's lists alone."""
    lists = " ".join(f"{folder}/state/resources.txt" for folder in PUPPET_VARDIRS)
    catalogs = " ".join(f"{folder}/client_data/catalog/*.json" for folder in PUPPET_VARDIRS)
    titles = " ".join(f"-e {quote(f'[{path}]')}" for path in paths)
    in_json = " ".join(f"-e '\"{path}\"' -e '\"/files{path}\"'" for path in paths)  # /files: the type augeas
    return {
        _PUPPET: f'for _p in {lists}; do if [ -f "$_p" ]; then '
        f"grep -oiF {titles} -e 'postconf[' \"$_p\" || [ $? -eq 1 ] || exit; fi; done; "
        f'for _p in {catalogs}; do if [ -f "$_p" ]; then '
        f'grep -ohF {in_json} "$_p" || [ $? -eq 1 ] || exit; fi; done',
    }


def of(
    seen: Mapping[str, Fact],
    paths: Sequence[PurePosixPath],
    ours: Sequence[PurePosixPath] = (),
    leave_mail_alone: Collection[ManagerName] = (),
) -> Ownership:
    """Who owns the files, from the facts.

    Args:
        seen: what `facts` asked for.
        paths, ours: the same files.
        leave_mail_alone: managers that an administrator vouches for: that one is here then means nothing. What a file
            says of itself, and what Puppet's catalog has in it, counts all the same.
    Raises:
        CommandFailed: the host could not be looked at for it; 'could not look' is never 'is not there'.
    """
    cut = (row[:_COMMENT_CHARACTERS_MAX] for row in _looked(seen, _COMMENTS))
    rows = (row for row in cut if not NO_LONGER.search(row))
    comments = [row.partition(":")[::2] for row in rows]
    files: dict[PurePosixPath, Owned] = {}
    for names in (_named_in, _unnamed_in):  # one who gives a name goes before '# DO NOT EDIT'
        for place, comment in comments:
            if owner := names(comment):
                told = message("its text says: {comment}", comment=comment.strip())
                files.setdefault(PurePosixPath(place), Owned(owner, told))
    files = {**of_puppet(seen, (*paths, *ours)).files, **files}
    signs = _looked(seen, _SIGNS)
    suite, present = None, []
    for manager in MANAGERS:
        sign = next((sign for sign in signs if _is_sign(sign, manager.signs)), None)
        if sign is None or manager.key in leave_mail_alone:
            continue
        if manager.makes_all and suite is None:
            suite = Owned(manager.name, message("{path} is here", path=sign))
        elif not any(owned.owner == manager.name for owned in files.values()):
            present.append(manager.name)
    if suite:
        files = dict.fromkeys(paths, suite) | files
    in_order = {path: files[path] for path in (*paths, *ours) if path in files}
    return Ownership(in_order, suite, tuple(present))


def of_puppet(seen: Mapping[str, Fact], paths: Sequence[PurePosixPath]) -> Ownership:
    """What Puppet owns of the files, from its lists.

    Args:
        seen: what `facts_of_puppet` asked for.
    Raises:
        CommandFailed: as `of`.
    """
    rows = _looked(seen, _PUPPET)
    owned = Owned("Puppet", message("it is in the list of what Puppet manages here"))
    return Ownership({path: owned for path in paths if _puppet_has(rows, path)}, None, ())


def _looked(seen: Mapping[str, Fact], name: str) -> list[str]:
    if seen[name].status != 0:
        raise CommandFailed(
            message(
                "who owns the files of the mail configuration could not be seen ({name}: status {status})",
                name=name,
                status=seen[name].status,
            ),
            "host",
            message("look whether these files, and Puppet's lists, can be read by root on the host"),
        )
    return seen[name].value.splitlines()


def _named_in(comment: str) -> str | None:
    for manager in MANAGERS:
        if manager.signs_itself(comment):
            return manager.name
    return None


def _unnamed_in(comment: str) -> str | None:
    return message("an unnamed owner") if ANYBODY.search(comment) else None


def _puppet_has(rows: list[str], path: PurePosixPath) -> bool:
    named = {f"[{path}]", f'"{path}"', f'"/files{path}"'}
    # The type `postconf` sets single entries of main.cf.
    return any(row in named or (row.lower() == "postconf[" and path == MAIN_CF) for row in rows)


def _is_sign(found: str, signs: tuple[str, ...]) -> bool:
    return any(PurePosixPath(found).match(sign) for sign in signs)


def divide(plan: Plan, ownership: Ownership) -> Plan:
    """Leave to the owners what is theirs: apply makes the rest."""
    made: list[Change] = []
    withheld = list(plan.withheld)
    for change in plan.changes:
        owned = ownership.owner_of(change)
        if owned is None:
            made.append(change)
        else:
            withheld.append(Withheld(change, owned.owner, owned.told))
    return replace(plan, changes=tuple(made), withheld=tuple(withheld))


def left_to_puppet(plan: Plan, seen: Mapping[str, Fact], paths: Sequence[PurePosixPath]) -> Plan:
    """Leave to Puppet what its lists have of files that cannot say themselves who makes them: keys, certificates."""
    return divide(plan, of_puppet(seen, paths))


def waiting(plan: Plan, why: str) -> Plan:
    """Make nothing of a plan: what nobody owns waits, too."""
    waits = tuple(Withheld(change, "", why) for change in plan.changes)
    return replace(plan, changes=(), withheld=(*plan.withheld, *waits))
