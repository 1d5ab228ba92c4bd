"""`runbook records`: what ran, whether its record is whole, and notebooks that were run by hand."""

from pathlib import Path
from typing import Annotated

import typer

from runbook_lib.cli.options import Json, Run, say, say_document

app = typer.Typer(
    help="Records: list them, check them, add a notebook that was run by hand.", no_args_is_help=True
)


@app.command("list")
def list_records(as_json: Json = False) -> None:
    """Say what ran, the newest run first."""
    from runbook_lib.display import Table
    from runbook_lib.records import index, root

    found = [index.read_run(root() / name) for name in index.runs(root())]
    if as_json:
        runs = [{"run": run.run, "headline": run.headline(), "hosts": run.hosts} for run in found]
        say_document({"format": 1, "root": str(root()), "runs": runs})
    elif found:
        say(repr(Table(("run", "what was done"), [(run.run, run.headline()) for run in found])))
        say(f"\nTo read one: {found[0].folder / 'index.html'}")
    else:
        say(f"There is no record yet under {root()}.")


@app.command("verify")
def verify_record(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the path of its folder.")],
    as_json: Json = False,
) -> None:
    """Check that every file of a run is there, unaltered, and that there is no other."""
    from dataclasses import asdict

    from runbook_lib.records import manifest, root

    folder = Path(run) if "/" in run or Path(run).is_dir() else root() / run
    found = manifest.check(folder)
    if as_json:
        say_document({"format": 1, "holds": found.holds, **asdict(found)})
    else:
        say(found.report())
    raise typer.Exit(0 if found.holds else 1)


@app.command("add")
def add(
    notebook: Annotated[Path, typer.Argument(help="The notebook, executed and saved.")], run: Run = None
) -> None:
    """Attach a notebook that was run by hand to the record of its chapter, and make the pages anew."""
    from runbook_lib.batch import quiet  # noqa: F401  # first: it keeps what follows quick and silent
    from runbook_lib.records import root
    from runbook_lib.records.attachment import add_notebook

    entry = add_notebook(notebook, root(), run)
    folder = root() / entry.record.run
    say(
        f"{notebook} is in the record of {entry.record.chapter} on {entry.record.host}: {folder / entry.page}"
    )
