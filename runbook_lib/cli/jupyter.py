"""`runbook jupyter`: the chapters for one host, stepped through by hand."""

import importlib.util
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from runbook_lib import places
from runbook_lib.cli import inventories
from runbook_lib.cli.options import Inventory, say, say_beside
from runbook_lib.errors import UsageError

_CONFIGURATION = places.PACKAGE / "jupyter"


def jupyter(
    context: typer.Context,
    host: Annotated[str, typer.Argument(metavar="HOST", help="A host of the inventory.")],
    inventory: Inventory = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            help="Where the copies go; without it work/HOST of the checkout, or of your data folder.",
        ),
    ] = None,
    language: Annotated[
        Literal["en", "ja"],
        typer.Option("--language", help="The language of the copies: English, or Japanese (日本語)."),
    ] = "en",
) -> None:
    """Open copies of the notebooks for one host in JupyterLab, which gets what stands behind them.

    All that is done until it ends is one run. A copy that somebody edited is kept beside the new one.
    """
    from runbook_lib.batch import quiet  # noqa: F401  # first: it keeps what follows quick and silent
    from runbook_lib.chapters import copies
    from runbook_lib.inventory import default, find
    from runbook_lib.records import origin, root, run_id

    book = inventories.chosen(inventory)
    book.host(host)
    name = inventory or default()
    by_word = book.path == find(name) and name.isidentifier()
    folder = (
        folder or (places.CHECKOUT or places.data()) / "work" / origin.plain_name(host, "HOST")
    ).absolute()
    for line in copies.make_all(name if by_word else str(book.path), host, folder, language):
        say_beside(line)
    if importlib.util.find_spec("jupyterlab") is None or importlib.util.find_spec("ipykernel") is None:
        raise UsageError(
            f"JupyterLab is not installed. The copies of the notebooks for {host} are in {folder}; nothing else was "
            "changed",
            "runbook jupyter",
            "pip install 'runbook-lib[jupyter]', then the same again",
        )
    say(f"Notebooks: {folder}")
    sys.stdout.flush()
    # -P: no module is taken from the folder that one stands in.
    words = [sys.executable, "-P", "-m", "jupyterlab", "--log-level", "ERROR", "--notebook-dir", str(folder)]
    words += ["--allow-root"] if os.geteuid() == 0 else []
    os.execve(sys.executable, [*words, *context.args], _environment(str(root()), run_id(datetime.now(UTC))))  # noqa: S606


def _environment(records: str, run: str) -> dict[str, str]:
    """What JupyterLab and its kernels begin with: one run, one place for records, our settings before others."""
    ours = {"RUNBOOK_RECORDS": records, "RUNBOOK_RUN": os.environ.get("RUNBOOK_RUN") or run}
    for variable in ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH"):
        others = os.environ.get(variable)
        ours[variable] = os.pathsep.join([str(_CONFIGURATION), *([others] if others else [])])
    return os.environ | ours
