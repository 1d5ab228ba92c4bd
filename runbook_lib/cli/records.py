"""`runbook records`: what ran, whether its record is whole, and notebooks that were run by hand."""

from pathlib import Path
from typing import Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Json, RecordsOf, Run, say, say_beside, say_document, say_shown

_ARE_ANOTHERS = ("is another's: you may not read it", "are another's: you may not read them")

app = typer.Typer(
    help="Records: list them, check them, add a notebook that was run by hand.", no_args_is_help=True
)


@app.command("list")
def list_records(inventory: RecordsOf = None, as_json: Json = False) -> None:
    """Say what ran, the newest run first."""
    from runbook_lib.display import Table
    from runbook_lib.records import index, root, undone

    inventories.find_records(inventory)
    found = [index.read_run(root() / name) for name in index.runs(root())]
    others = index.runs_of_others(root())
    back = {run.run: undone.read(run.folder) for run in found}
    if as_json:
        runs = [
            {
                "run": run.run,
                "headline": run.headline(),
                "hosts": run.hosts,
                "undone": {host: one.model_dump() for host, one in back[run.run].items()},
            }
            for run in found
        ]
        say_document({"format": 1, "root": str(root()), "runs": runs})
    elif found:
        since = {run: "".join(f"; {host}: {one}" for host, one in of.items()) for run, of in back.items()}
        rows = [(run.run, f"{run.headline()}{since[run.run]}") for run in found]
        say_shown(Table(("run", "what was done"), rows))
        say(f"\nTo read one: {found[0].folder / 'index.html'}")
    else:
        say(f"There is no record {'that you may read ' if others else ''}yet under {root()}.")
    if others and not as_json:
        say_beside(f"{len(others)} more {_ARE_ANOTHERS[len(others) > 1]}.")


@app.command("verify")
def verify_record(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the path of its folder.")],
    inventory: RecordsOf = None,
    as_json: Json = False,
) -> None:
    """Check that every file of a run is there, unaltered, and that there is no other."""
    from dataclasses import asdict

    from runbook_lib.records import manifest, root

    folder = Path(run)
    if not ("/" in run or folder.is_dir()):
        inventories.find_records(inventory)
        folder = root() / run
    found = manifest.check(folder)
    if as_json:
        say_document({"format": 1, "holds": found.holds, **asdict(found)})
    else:
        say(found.report())
    raise typer.Exit(0 if found.holds else 1)


@app.command("add")
def add(
    notebook: Annotated[Path, typer.Argument(help="The notebook, executed and saved.")],
    run: Run = None,
    inventory: RecordsOf = None,
) -> None:
    """Attach a notebook that was run by hand to the record of its chapter, and make the pages anew."""
    from runbook_lib.batch import quiet  # noqa: F401  # first: it keeps what follows quick and silent
    from runbook_lib.records import root
    from runbook_lib.records.attachment import add_notebook

    inventories.find_records(inventory)
    entry = add_notebook(notebook, root(), run)
    folder = root() / entry.record.run
    say(
        f"{notebook} is in the record of {entry.record.chapter} on {entry.record.host}: {folder / entry.page}"
    )
