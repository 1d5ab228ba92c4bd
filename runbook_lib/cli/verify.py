"""`runbook verify`: the read-only door."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import (
    AtOnce,
    DocumentByLines,
    Inventory,
    Json,
    say,
    say_beside,
    say_document,
    say_shown,
)
from runbook_lib.errors import RunbookError, UsageError

if TYPE_CHECKING:
    from runbook_lib.mail.probes import Row


@dataclass(frozen=True)
class _Target:
    """What is asked: a host of the inventory, or any server by its name."""

    name: str
    is_host: bool


def verify(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[HOST|NAME]...",
            help="Hosts of the inventory, or names (or addresses) of any servers; without: every host.",
        ),
    ] = None,
    inventory: Inventory = None,
    resolver: Annotated[
        str | None,
        typer.Option(
            "--resolver", metavar="ADDRESS", help="For a NAME: the DNS server to ask; else the system's."
        ),
    ] = None,
    ports: Annotated[
        list[int] | None,
        typer.Option(
            "--port", min=1, max=65535, help="A port to ask; may be given again. Else 25, 465 and 587."
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option("--root", metavar="FILE", help="For a NAME: the root certificate that its users trust."),
    ] = None,
    wrong_password: Annotated[
        bool,
        typer.Option(
            "--wrong-password",
            help="For a HOST: send one wrong password of the account for checks, too. It may count against it.",
        ),
    ] = False,
    keep: Annotated[
        bool,
        typer.Option(
            "--record", help="Leave a run with what was seen: sealed, and signed where the site signs."
        ),
    ] = False,
    as_json: Json = False,
    workers: AtOnce = None,
) -> None:
    """Ask from outside whether submission is encrypted and authenticated. Changes nothing.

    By name alone no password is sent. A host of the inventory is also asked over SSH what only it can tell,
    and logged in to where the inventory names an account for checks. Exit status 1 where something is wrong, and
    where no port was reached, so that nothing is known.
    """
    from runbook_lib.chapters import verification
    from runbook_lib.inventory import default, find, hold

    name = inventory or default()
    # Without an inventory, any server may be asked; one that was named must be there.
    known = inventories.chosen(name) if inventory or not targets or find(name).exists() else None
    if known:
        hold(name, known)  # read once, however many hosts are asked
    asked = [
        _Target(one, is_host=known is not None and (bool(inventory) or one in known.hosts))
        for one in dict.fromkeys(targets or (known.hosts if known else ()))
    ]
    for one in asked:
        if one.is_host and known:
            known.host(one.name)
            if root is not None or resolver is not None:
                option = "--root" if root is not None else "--resolver"
                raise UsageError(
                    f"{option} is for a NAME", one.name, "leave it out: the inventory says it for a host"
                )
        elif wrong_password:
            raise UsageError(
                "--wrong-password is for a HOST", one.name, "leave it out: by name nobody logs in"
            )
    if any(one.is_host for one in asked):
        inventories.named(inventory)

    def rows_of(one: _Target) -> "list[Row]":
        if one.is_host:
            return verification.verify_host(
                name, one.name, ports or (), wrong_password=wrong_password, keep=keep
            )
        return verification.verify_name(one.name, resolver, ports or (), root, keep=keep)

    if len(asked) == 1:
        code = _tell_one(asked[0].name, rows_of(asked[0]), as_json=as_json)
    else:
        code = _tell_many(asked, rows_of, workers, as_json=as_json)
    if keep:
        _tell_record()
    raise typer.Exit(code)


def _tell_one(target: str, rows: "list[Row]", *, as_json: bool) -> int:
    from runbook_lib.chapters import verification
    from runbook_lib.chapters.chapter import measured

    if as_json:
        document = {"format": 1, "target": target, "rows": [asdict(row) for row in rows]}
        say_document(document)
    else:
        say_shown(verification.shown(rows))
        say(f"\n{measured(rows)}")
    reached = verification.is_reached(rows)
    if not (reached or as_json):
        say(_unreached(target))
    return 0 if _is_good(rows) else 1


def _tell_many(
    asked: Sequence[_Target], rows_of: "Callable[[_Target], list[Row]]", workers: int | None, *, as_json: bool
) -> int:
    """Each as soon as it is known: what was measured, and below it what did not pass."""
    from runbook_lib.chapters import verification
    from runbook_lib.chapters.chapter import measured
    from runbook_lib.cli.looking import told_while_looking
    from runbook_lib.mail.probes import Verdict

    document = DocumentByLines({"format": 1}, "hosts", keyed=True) if as_json else None
    failures: dict[str, str] = {}
    code = 0
    for one, rows in told_while_looking(asked, rows_of, workers):
        if isinstance(rows, RunbookError):
            failures[one.name] = str(rows)
            say_beside(str(rows))
            code = max(code, rows.exit_code)
            continue
        code = max(code, 0 if _is_good(rows) else 1)
        if document:
            document.add({"rows": [asdict(row) for row in rows]}, one.name)
            continue
        say(f"{one.name}: {measured(rows)}")
        if not verification.is_reached(rows):
            say(_unreached(one.name))
        elif wrong := [row for row in rows if row.verdict is not Verdict.PASS]:
            say_shown(verification.shown(wrong))
    if document:
        document.end({"failures": failures})
    return code


def _unreached(target: str) -> str:
    return f"No port of {target} was reached, so nothing is known about it."


def _is_good(rows: "list[Row]") -> bool:
    from runbook_lib.chapters import verification

    return verification.is_reached(rows) and all(row.verdict != "fail" for row in rows)


def _tell_record() -> None:
    from runbook_lib.places import shown_path
    from runbook_lib.records import current_run, root, signing

    kept = signing.keep(root(), current_run())
    say_beside(f"Record: {shown_path(kept.index.folder / 'index.html')}")
    say_beside(f"Seal: {kept.told}")
