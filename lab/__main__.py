"""`python -m lab up|status|reset|capture|down`: a thin face of `Lab`."""

import json
import re
import sys
import time
from dataclasses import asdict
from typing import Annotated

import typer

from lab import capture as login
from lab.lab import Lab
from lab.machine import check_machine, check_room
from lab.prepared import PREPARED
from lab.recipes import STATES
from lab.releases import RELEASES
from runbook_lib.display import Table
from runbook_lib.errors import LabError, RunbookError

app = typer.Typer(help="Real mail servers on this machine.", no_args_is_help=True, add_completion=False)


def _say(line: str) -> None:
    typer.echo(f"lab: {line}")


def true_images(words: list[str]) -> dict[str, str]:
    """HOST=IMAGE, as often as wanted."""
    for word in words:
        if not re.fullmatch(r"[^=\s]+=[^=\s]+", word):
            raise LabError(
                f"{word!r} is not HOST=IMAGE", "--image", "write e.g. el9=quay.io/centos/centos:stream9", ""
            )
    return dict(word.split("=") for word in words)


@app.command()
def up(
    host: Annotated[
        list[str] | None, typer.Argument(help="the hosts to start; without one, all of them")
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(
            help="HOST=IMAGE: a true CentOS Stream or Rocky, e.g. el9=quay.io/centos/centos:stream9"
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            help="how many hosts in all: those beyond the named ones are more of their releases, HOST-2 and on"
        ),
    ] = None,
    state: Annotated[
        str, typer.Option(help=f"in which hosts start that were not there yet: {', '.join(STATES)}")
    ] = "bare",
) -> None:
    """Make the lab, or repair it; what is whole stays as it is."""
    began = time.monotonic()
    lab = Lab.load()
    unknown = [name for name in host or () if name not in RELEASES]
    if unknown:
        raise LabError(f"no host {unknown[0]!r}", "lab", f"name one of {', '.join(RELEASES)}", "")
    if state not in STATES:
        raise LabError(f"no state {state!r}", "--state", f"name one of {', '.join(STATES)}", "")
    lab.up(_say, true_images(image or []), host or tuple(RELEASES), count, state)
    _say(f"up in {time.monotonic() - began:.1f} s; inventory: {lab.inventory}")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="for a program")] = False) -> None:
    """Each host: starting state, address, where its image came from, systemd's word."""
    seen = Lab.load().status()
    if as_json:
        typer.echo(json.dumps(asdict(seen), indent=2))
        return
    rows = [(host.name, host.state, host.address, host.origin, host.systemd) for host in seen.hosts]
    server = "up" if seen.dns_running else "not running"
    caption = f"lab {seen.lab_id} in {seen.folder}; {seen.subnet}; DNS {server}"
    typer.echo(Table(("host", "state", "address", "image from", "systemd"), rows, caption).text())


@app.command()
def reset(
    host: str,
    state: Annotated[str, typer.Option(help=f"one of {', '.join([*STATES, *PREPARED])}")] = "bare",
) -> None:
    """Give a host back in a starting state, or as the chapters leave it."""
    began = time.monotonic()
    Lab.load().reset(host, state, _say)
    _say(f"{host}: {state} again in {time.monotonic() - began:.1f} s")


@app.command()
def check(
    labs: Annotated[int, typer.Option(min=1, help="how many labs are to be up at the same time")] = 1,
) -> None:
    """Look whether this machine has room for labs; where it has not, say which line makes it."""
    check_machine()
    lab = Lab.load()
    check_room(labs * len(RELEASES) - lab.hosts_up())


@app.command()
def capture() -> None:
    """Capture one login before and after the chapters, for chapter 0; resets a host."""
    lab = Lab.load()
    lab.up(_say)
    login.write(*login.capture(lab, _say), say=_say)


@app.command()
def down(images: Annotated[bool, typer.Option("--images", help="also the images")] = False) -> None:
    """Remove what `up` made; the images stay for the next time."""
    Lab.load().down(images, _say)


def main() -> None:
    """Run a command; an error is told in its own words, without a traceback."""
    try:
        app()
    except RunbookError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
