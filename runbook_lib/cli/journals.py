"""`runbook journals`: what runs keep on the hosts, so that they can be put back."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Hosts, Inventory, say, say_beside
from runbook_lib.errors import RunbookError, UsageError

if TYPE_CHECKING:
    from runbook_lib.afterwards.thinning import Thinned

app = typer.Typer(help="What runs keep on the hosts, so that they can be put back.", no_args_is_help=True)


@app.callback()
def journals() -> None:
    """What runs keep on the hosts, so that they can be put back."""


@app.command("thin")
def thin(
    inventory: Inventory = None,
    host: Hosts = None,
    before: Annotated[
        str | None,
        typer.Option(
            "--before",
            metavar="RUN",
            help="Runs older than this one go, too: nothing before it can be put back.",
        ),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run", metavar="RUN", help="This one goes, whatever it has to give back; may be given again."
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="A ticket or why; it stands in the record.")] = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Take them away; without it they are only named.")
    ] = False,
) -> None:
    """Take old journals from hosts: those with nothing to give back, and those that are named.

    Shows of each what its undo could still give back. The newest stays, and so does what is on hold.
    """
    from runbook_lib.afterwards import thinning
    from runbook_lib.cli.looking import told_while_looking
    from runbook_lib.cli.rollback import tell_record
    from runbook_lib.records import run_id

    book = inventories.chosen(inventory)
    targets = [book.host(name) for name in dict.fromkeys(host or book.hosts)]
    if (before or run) and len(targets) != 1:
        raise UsageError(
            "is of one host, and there are several", "--before" if before else "--run",
            f"name the host, too: --host {targets[0].name}",
        )  # fmt: skip
    asked = thinning.Asked(before, tuple(run or ()))
    mine = run_id(datetime.now(UTC))
    code, going = 0, 0
    looked = told_while_looking(
        targets,
        lambda one: (
            thinning.thin(book, one, asked, mine, reason) if yes else thinning.propose(book, one, asked)
        ),
    )
    for target, found in looked:
        if isinstance(found, RunbookError):
            say_beside(str(found))
            code = max(code, found.exit_code)
            continue
        going += _tell(target.name, found, taken=yes)
        if found.unsaid:
            say_beside(f"the record of this is not complete: {found.unsaid}")
            code = max(code, 1)
    if going and not yes:
        say("Nothing was taken away. To take these journals for good, type it again with --yes.")
    if yes and tell_record(mine):
        code = max(code, 1)
    if code:
        raise typer.Exit(code)


def _tell(name: str, found: "Thinned", *, taken: bool) -> int:
    """Say what becomes of a host's journals; returns how many go."""
    from runbook_lib.records.index import counted

    going = [choice.kept for choice in found.choices if not choice.stays]
    size = sum(one.size_kb for one in going)
    say(f"{name}: {counted(len(found.choices), 'journal')}; {len(going)} to take away, {size} KiB")
    for choice in found.choices:
        one = choice.kept
        if choice.stays:
            say(f"    {one.run}: stays: {choice.stays}")
        elif not taken or one.run in found.gone:
            say(f"    {one.run}: {'gone' if taken else 'goes'}: {one.told}")
        else:
            say(f"    {one.run}: stays: somebody wrote there meanwhile")
    return len(going)
