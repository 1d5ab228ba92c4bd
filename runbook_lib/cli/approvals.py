"""`runbook approve` and `runbook approvals`: a plan is approved on another person's machine, with that person's key."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import RecordsOf, say, say_shown

if TYPE_CHECKING:
    from runbook_lib.records.approvals import Approval, Given
    from runbook_lib.records.planned import Document
    from runbook_lib.records.signing import Key

_DIGITS = 8  # what an approver types of the digest, so that it was looked at

app = typer.Typer(
    help="Approvals: take in what an approver sent; say which are here.",
    no_args_is_help=True,
)


def approve(
    plan: Annotated[
        str | None,
        typer.Argument(
            metavar="[PLAN]",
            help="A file plan.json, or the digest of a plan whose record is here; with --refuse also the file of a "
            "standing approval.",
        ),
    ] = None,
    refuse: Annotated[
        bool, typer.Option("--refuse", help="Refuse it, so that nobody makes it; end a standing approval.")
    ] = False,
    days: Annotated[int, typer.Option("--days", min=1, help="How many days the approval is good.")] = 7,
    comment: Annotated[str, typer.Option("--comment", help="A ticket or why; it stands in the record.")] = "",
    after: Annotated[
        str | None,
        typer.Option(
            "--after",
            metavar="RUN",
            help="You have reviewed this run, an emergency: its id, or the path of its folder.",
        ),
    ] = None,
    signers: Annotated[
        Path | None,
        typer.Option(
            "--signers",
            metavar="FILE",
            help="The site's list of signers; without it that of the records here.",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the approval is written.")
    ] = Path(),
    standing: Annotated[
        bool,
        typer.Option(
            "--standing",
            help="Let `runbook renew` renew certificates by itself: on each --host, in runs of --operator, to the end "
            "of --until.",
        ),
    ] = False,
    host: Annotated[
        list[str] | None,
        typer.Option(
            "--host",
            help="With --standing: a host of the inventory; may be given again. Without it: all that it has.",
        ),
    ] = None,
    operator: Annotated[
        str, typer.Option("--operator", metavar="PRINCIPAL", help="With --standing: who signs those runs.")
    ] = "",
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until",
            metavar="YYYY-MM-DD",
            formats=["%Y-%m-%d"],
            help="With --standing: the last day (UTC), at most 399 days on.",
        ),
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="With --standing: a key may be replaced, too.")
    ] = False,
    inventory: RecordsOf = None,
) -> None:
    """Show a whole plan, and sign that you approve it. It needs no inventory, no host and no server."""
    from runbook_lib.batch.parameters import refuse_secret
    from runbook_lib.errors import UsageError

    refuse_secret("comment", comment)
    if sum((plan is not None, after is not None, standing)) != 1:
        raise UsageError(
            "is needed, and only one of them", "PLAN, --after RUN, --standing", "name what you approve"
        )
    _refuse_mixed(standing, {"--host": host, "--operator": operator, "--until": until, "--new-key": new_key})
    if standing and until is not None:
        key = _key(signers, inventory)
        _stand(host or (), operator, until, new_key, key, comment, output)
    elif plan is not None and (ended := _standing(plan) if refuse else None):
        _end_standing(ended, _key(signers, inventory), comment, output)
    elif plan is not None:
        document = _plan(plan, inventory)
        key = _key(signers, inventory)
        _show(document)
        _typed(document.sha256, "refuse" if refuse else "approve")
        _write_plan(document, key, refuse, days, comment, output)
    elif after is not None:
        _review(after, _key(signers, inventory), comment, output, inventory)


def _refuse_mixed(standing: bool, given: Mapping[str, object]) -> None:
    """Refuse options of a standing approval without one, and one without its operator or its last day."""
    from runbook_lib.errors import UsageError

    if not standing and (others := [name for name, value in given.items() if value]):
        raise UsageError("is for --standing alone", ", ".join(others), "leave it out, or add --standing")
    if standing and (missing := [name for name in ("--operator", "--until") if not given[name]]):
        raise UsageError(
            "is needed, too", ", ".join(missing), "say who signs the runs, and to which day this is good"
        )


def _stand(
    hosts: Sequence[str],
    operator: str,
    until: datetime,
    new_key: bool,
    key: "Key",
    comment: str,
    folder: Path,
) -> None:
    from datetime import UTC, timedelta

    from pydantic import ValidationError

    from runbook_lib.errors import UsageError
    from runbook_lib.records import approvals, seal
    from runbook_lib.records.standing import Scope

    now = datetime.now(UTC)
    end = until.replace(tzinfo=UTC) + timedelta(days=1)
    try:
        decided = approvals.Approval(
            approver=key.principal,
            at=now.isoformat(timespec="milliseconds"),
            comment=comment,
            decision="standing",
            until=end.isoformat(timespec="milliseconds"),
            standing=Scope(hosts=tuple(dict.fromkeys(hosts)) or "all", operator=operator, new_key=new_key),
        )
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(why, "--standing", "name somebody else as --operator, or an earlier day") from None
    for line in _scope(decided):
        say(line)
    digest = seal.sha256(decided.content)
    say(f"\nStanding approval: sha256:{digest}")
    _typed(digest, "approve")
    _write(decided, key, folder, f"standing-{digest[:16]}")


def _scope(decided: "Approval") -> list[str]:
    """What a standing approval lets be made, for who signs it."""
    scope = decided.standing
    assert scope is not None
    hosts = (
        "every host that the inventory has at the time" if scope.hosts == "all" else ", ".join(scope.hosts)
    )
    key = "with the same key, or with a new one" if scope.new_key else "with the same key"
    return [
        "`runbook renew` may, without asking anybody:",
        f"  on {hosts}",
        f"  in runs that {scope.operator} signs",
        f"  from {decided.at} to {decided.until}",
        f"renew a certificate that the own CA signed: {key}, for the same names, by the same root;",
        "put it with its key into the file that Postfix reads, and reload Postfix.",
        "It may change nothing else: no setting, no name, no package, no root. For how many days, and how many before",
        "the end, the inventory says. Whoever may approve ends it: runbook approve FILE --refuse",
    ]


def _standing(named: str) -> "Approval | None":
    """The standing approval in a file; None where it is none."""
    from runbook_lib.errors import UsageError
    from runbook_lib.records import approvals, seal

    try:
        decided = approvals.parse(seal.read_regular(Path(named), approvals.BYTES_MAX), named)
    except (ValueError, UsageError):
        return None
    return decided if decided.standing else None


def _end_standing(ended: "Approval", key: "Key", comment: str, folder: Path) -> None:
    from runbook_lib.records import approvals, origin, seal

    for line in _scope(ended):
        say(line)
    digest = seal.sha256(ended.content)
    say(f"\nStanding approval of {ended.approver}: sha256:{digest}")
    _typed(digest, "end")
    decided = approvals.Approval(
        approver=key.principal, at=origin.now_text(), comment=comment, decision="refuse", ends=digest
    )
    _write(decided, key, folder, f"end-{digest[:16]}")


def _plan(named: str, inventory: str | None) -> "Document":
    from runbook_lib.errors import UsageError
    from runbook_lib.records import planned, root, seal

    path = Path(named)
    if not path.is_file():
        inventories.find_records(inventory)
        return planned.find(root(), named)[1]
    try:
        content = seal.read_regular(path, planned.BYTES_MAX)
    except ValueError as error:
        raise UsageError(f"cannot be read: {error}", named, "name the file plan.json of a run") from None
    return planned.parse(content, named)


def _key(file: Path | None, inventory: str | None) -> "Key":
    from runbook_lib.records import root, signing
    from runbook_lib.records import signers as lists

    if file is not None:
        return signing.key_of(lists.parse(lists.read(file), str(file)), lists.APPROVE)
    inventories.find_records(inventory)
    return signing.key_for(root(), lists.APPROVE)


def _show(plan: "Document") -> None:
    """All that decides the plan, from the plan alone."""
    say(f"Inventory: sha256:{plan.inventory}")
    say(f"Library: sha256:{plan.library}" + (f", commit {plan.commit}" if plan.commit else ""))
    for chapter, digest in plan.chapters.items():
        say(f"Chapter {chapter}: sha256:{digest}")
    for name, value in plan.parameters:
        say(f"Parameter {name}: {value}")
    for name, host in plan.hosts.items():
        say(
            f"\n{name}: SSH host key {host.host_key or 'not known'}, machine {host.machine[:16] or 'not known'}"
        )
        for package, version in host.packages.items():
            say(f"  package {package} {version or 'of a version that is not known'}")
        if not any(one.changes for one in host.chapters):
            say("  nothing is to be done")
        for one in host.chapters:
            for number, change in enumerate(one.changes, 1):
                say(f"\n  {one.chapter}, {number}. {change.kind} {change.thing}")
                for mark, text in (("-", change.before), ("+", change.after), ("#", change.commands)):
                    for line in text.splitlines():
                        say(f"    {mark} {line}")
    say(f"\nPlan: sha256:{plan.sha256}")


def _typed(digest: str, what: str) -> None:
    from runbook_lib.errors import UsageError

    typed = typer.prompt(
        f"To {what} it, type the first {_DIGITS} digits of its digest", default="", show_default=False
    )
    if typed.strip().lower() != digest[:_DIGITS]:
        raise UsageError(
            "is not what the digest begins with",
            "what was typed",
            "nothing was signed; read it again, and type them",
        )


def _write_plan(plan: "Document", key: "Key", refuse: bool, days: int, comment: str, folder: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from runbook_lib.records import approvals

    now = datetime.now(UTC)
    decided = approvals.Approval(
        approver=key.principal,
        at=now.isoformat(timespec="milliseconds"),
        comment=comment,
        decision="refuse" if refuse else "approve",
        plan=plan.sha256,
        until=(now + timedelta(days=days)).isoformat(timespec="milliseconds"),
    )
    _write(decided, key, folder, f"approval-{plan.sha256[:16]}")


def _review(named: str, key: "Key", comment: str, folder: Path, inventory: str | None) -> None:
    from runbook_lib.errors import RecordError
    from runbook_lib.records import approvals, index, origin, root, seal, verification

    run = Path(named)
    if not ("/" in named or run.is_dir()):
        inventories.find_records(inventory)
        run = root() / origin.plain_name(named, "RUN")
    found = verification.check(run)
    if not found.holds:
        raise RecordError(
            f"is not as it was sealed\n{found.report()}", str(run), "take it again from where it was kept"
        )
    read = index.read_run(run)
    told = seal.read_statement(run)
    say(f"{read.run} of {told.operator.principal or told.operator.login}: {read.headline()}")
    for entry in read.current:
        record = entry.record
        say(f"\n{record.host}, {record.chapter}: {record.outcome}; reason: {record.reason}")
        for plan in record.plans:
            for change in plan.changes:
                say(f"  {change.title}")
                for line in change.diff.splitlines():
                    say(f"    {line}")
    _, sums = approvals.review_of(run.parent, run.name)
    say(f"\nSHA256SUMS: sha256:{sums}")
    _typed(sums, "say that you reviewed")
    decided = approvals.Approval(
        approver=key.principal,
        at=origin.now_text(),
        comment=comment,
        decision="review",
        run=read.run,
        sums=sums,
    )
    _write(decided, key, folder, f"review-{read.run}")


def _write(decided: object, key: "Key", folder: Path, stem: str) -> None:
    from runbook_lib.errors import UsageError
    from runbook_lib.records import approvals, files

    assert isinstance(decided, approvals.Approval)
    content, sig = approvals.signed(decided, key)
    name = "".join(c if c.isalnum() or c in "@.-" else "-" for c in key.principal)
    path = folder / f"{stem}-{name}.json"
    if not folder.is_dir() or path.exists():
        raise UsageError("is there already, or its folder is not", str(path), "name another folder: --output")
    files.write_atomically(path, content)
    files.write_atomically(path.with_name(f"{path.name}.sig"), sig)
    say(f"{decided.decision}, signed by {key.principal}: {path}, {path.name}.sig")
    say("Next, where the records are, with both files:")
    say(f"    runbook approvals add {path.name}")


@app.command("add")
def add(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `runbook approve` wrote; FILE.sig beside it.")
    ],
    inventory: RecordsOf = None,
) -> None:
    """Take in what an approver sent, if its signature is good."""
    from runbook_lib.records import approvals, root

    inventories.find_records(inventory)
    given = approvals.take_in(root(), file)
    say(f"{approvals.NAME}{given.number}: {_told(given)}")


@app.command("list")
def list_approvals(inventory: RecordsOf = None) -> None:
    """Say who approved, refused or reviewed what."""
    from runbook_lib.display import Table
    from runbook_lib.records import approvals, root

    inventories.find_records(inventory)
    rows = [
        (str(one.number), one.decided.at, one.decided.until or "-", _told(one), one.decided.comment)
        for one in approvals.read_all(root())
    ]
    if not rows:
        say(f"There is no approval yet under {root()}.")
        return
    say_shown(Table(("no.", "at", "to", "what", "comment"), rows))


def _told(given: "Given") -> str:
    decided = given.decided
    what = f"run {decided.run}" if decided.run else f"plan {(decided.plan or '')[:16]}"
    word = {"approve": "approves", "refuse": "refuses", "review": "has reviewed"}.get(decided.decision, "")
    if decided.ends:
        word, what = "ends", f"the standing approval {decided.ends[:16]}"
    elif scope := decided.standing:
        hosts = "every host" if scope.hosts == "all" else ", ".join(scope.hosts)
        word, what = "lets", f"{scope.operator} renew by itself on {hosts}"
        what += ", also with a new key" if scope.new_key else ""
    good = "" if given.signature.good else "; its signature is not good"
    return f"{decided.approver} {word} {what}{good}"
