"""`runbook records`: what ran, whether its record is whole, who signed it, and what an auditor gets."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Hosts, Json, RecordsOf, Run, say, say_beside, say_document, say_shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runbook_lib.inventory import Host, Inventory
    from runbook_lib.records.index import RunIndex
    from runbook_lib.records.told import Compared
    from runbook_lib.records.told import Site as Told
    from runbook_lib.records.undone import Undone
    from runbook_lib.records.verification import Site

_DAY = "%Y-%m-%d"
_ARE_ANOTHERS = ("is another's: you may not read it", "are another's: you may not read them")

OwnSigners = Annotated[
    Path | None,
    typer.Option(
        "--signers",
        metavar="FILE",
        help="Your own copy of the list of signers: each run has to be signed by it.",
    ),
]
OwnRoots = Annotated[
    Path | None,
    typer.Option(
        "--tsa",
        metavar="FILE",
        help="Your own copy of the root certificates (PEM) by which time-stamps are checked.",
    ),
]
Heads = Annotated[
    list[str] | None,
    typer.Option(
        "--head",
        metavar="STREAM:N:SHA256",
        help="A line of the chain as it was kept elsewhere; may be repeated.",
    ),
]

app = typer.Typer(
    help="Records: list them, check them, compare them with the hosts, sign them, hand them over; add a notebook that "
    "was run by hand.",
    no_args_is_help=True,
)


@app.command("list")
def list_records(inventory: RecordsOf = None, as_json: Json = False) -> None:
    """Say what ran, the newest run first."""
    from runbook_lib.display import Table
    from runbook_lib.errors import RecordError
    from runbook_lib.records import index, root, undone

    inventories.find_records(inventory)
    found: list[RunIndex] = []
    damaged: dict[str, str] = {}
    for name in index.runs(root()):
        try:
            found.append(index.read_run(root() / name))
        except RecordError as error:
            damaged[name] = f"cannot be read: {error.where}: {error.problem}"
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
        say_document({"format": 1, "root": str(root()), "runs": runs, "damaged": damaged})
    elif found or damaged:
        rows = [(run.run, _told(run, back[run.run])) for run in found]
        say_shown(Table(("run", "what was done"), sorted([*rows, *damaged.items()], reverse=True)))
        say(f"\nTo read one: {root() / max(run for run, _ in rows) / index.PAGE}" if rows else "")
    else:
        say(f"There is no record {'that you may read ' if others else ''}yet under {root()}.")
    if others and not as_json:
        say_beside(f"{len(others)} more {_ARE_ANOTHERS[len(others) > 1]}.")


def _told(run: "RunIndex", back: "Mapping[str, Undone]") -> str:
    """What was done, and first that it is not so any more."""
    since = "; ".join(f"{host}: {one}" for host, one in back.items())
    return f"{since}; before that: {run.headline()}" if since else run.headline()


@app.command("verify")
def verify_records(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", help="A run's id, or the path of its folder. Without it: all of them."
        ),
    ] = None,
    inventory: RecordsOf = None,
    signers: OwnSigners = None,
    tsa: OwnRoots = None,
    head: Heads = None,
    as_json: Json = False,
) -> None:
    """Check that every file of a run is there, unaltered, and that there is no other; without RUN, every run.

    Without RUN the whole chain is checked, too: that no run is missing, none was put between, and, by a head that was
    kept elsewhere, that nothing was cut from its end.
    """
    from dataclasses import asdict

    from runbook_lib.errors import UsageError
    from runbook_lib.records import root, verification

    heads = [verification.Head.parse(text) for text in head or ()]
    if run is None:
        inventories.find_records(inventory)
        site = verification.check_all(root(), signers, heads, tsa)
        if as_json:
            say_document({"format": 1, "holds": site.holds, **asdict(site)})
        else:
            _tell(site)
        raise typer.Exit(0 if site.holds else 1)
    if heads:
        raise UsageError("is for all runs", "--head", "leave RUN out")
    folder = Path(run)
    if not ("/" in run or folder.is_dir()):
        inventories.find_records(inventory)
        folder = root() / run
    found = verification.check(folder, signers, tsa)
    if as_json:
        say_document({"format": 1, "holds": found.holds, **asdict(found)})
    else:
        say(found.report())
    raise typer.Exit(0 if found.holds else 1)


def _tell(site: "Site") -> None:
    for run in site.runs:
        say(run.report())
    for line in site.wrong:
        say(f"WRONG {line}")
    for line in site.to_review:
        say(f"OPEN {line}")
    if site.first_signers:
        say(f"First list of signers: by {site.first_signers}")
    for one in site.heads:
        say(f"Head, to be kept elsewhere: {one}")
    say("Every run holds." if site.holds else "Not everything holds.")


@app.command("chain")
def show_chain(
    inventory: RecordsOf = None,
    syslog: Annotated[
        Path | None,
        typer.Option(
            "--syslog", metavar="FILE", help="Compare with what a log server has: lines of the hosts' syslog."
        ),
    ] = None,
    hosts: Annotated[
        bool,
        typer.Option(
            "--hosts", help="Compare with what each host has itself: over SSH; nothing is written there."
        ),
    ] = False,
    host: Hosts = None,
) -> None:
    """Show the chain's heads, runs that are open, and whether what the hosts were told of runs is what the records say.

    Exit status 1 where something differs, a line of a chain does not follow, or a host could not be asked.
    """
    from runbook_lib.errors import UsageError
    from runbook_lib.records import chain, origin, root, told

    if hosts or host:
        book = inventories.chosen(inventory)
        asked = [book.host(name) for name in host or book.hosts]
    else:
        inventories.find_records(inventory)
    lines: list[str] = []
    if syslog is not None:
        try:
            lines = syslog.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise UsageError(
                f"cannot be read: {error.strerror}", str(syslog), "name a file with lines of syslog"
            ) from None
    site = told.Site.read(root())
    for stream in site.streams.values():
        if stream.lines:
            say(f"Head: {stream.lines[-1].head}")
    for run in chain.open_runs(root()):
        at_work = chain.is_at_work(root() / run)
        say(f"Open: {run}, {'at work' if at_work else 'cut off; the next run of its controller seals it'}")
    if kept_by := origin.log_server():
        say(f"Log server: {kept_by}")
    wrong = [
        f"{stream.name}{chain.SUFFIX}: {stream.wrong}" for stream in site.streams.values() if stream.wrong
    ]
    if syslog is not None:
        compared = told.compare(site, told.read(lines))
        _tell_compared(str(syslog), compared)
        wrong += compared.wrong
    if hosts or host:
        for one in asked:
            wrong += _compare_host(site, book, one)
    for line in dict.fromkeys(wrong):
        say(f"WRONG {line}")
    raise typer.Exit(1 if wrong else 0)


def _compare_host(site: "Told", book: "Inventory", host: "Host") -> list[str]:
    from runbook_lib.afterwards import told_there
    from runbook_lib.errors import RunbookError
    from runbook_lib.records import told

    try:
        there = told_there.look(book, host)
    except RunbookError as error:
        return [f"{host.name}: could not be asked: {error.problem}"]
    compared = told.compare(site, there.told, {host.name})
    _tell_compared(host.name, compared)
    return [*compared.wrong, *told.compare_journals(site, host.name, there.journals, there.told)]


def _tell_compared(where: str, compared: "Compared") -> None:
    say(f"{where}: compared with the records of {compared.runs} run{'' if compared.runs == 1 else 's'}")
    if compared.uncovered:
        say(f"    of before its first line, so not compared: {', '.join(compared.uncovered)}")


@app.command("sign")
def sign(
    run: Annotated[str, typer.Argument(help="The run's id.")],
    inventory: RecordsOf = None,
) -> None:
    """Seal and sign a run that is not signed yet, with the key of $RUNBOOK_SIGN_KEY or of the agent.

    Where the inventory names a time-stamping authority, the signature is stamped, too.
    """
    from runbook_lib.records import origin, root, signing

    inventories.find_records(inventory)
    key = signing.find_key(root())
    signing.sign_anew(root(), origin.plain_name(run, "RUN"), key)
    moment, why = signing.stamp_where_wanted(root(), run)
    told = f", time-stamped {moment}" if moment else f", unstamped: {why}" if why else ""
    say(f"{run}: signed by {key.principal}{told}")


@app.command("stamp")
def stamp(
    run: Annotated[str, typer.Argument(help="The run's id.")],
    inventory: RecordsOf = None,
) -> None:
    """Have a run's signature time-stamped (RFC 3161) by the authority of the inventory: site.records.timestamp."""
    from runbook_lib.records import origin, root, stamping

    inventories.chosen(inventory)
    moment = stamping.stamp(root(), origin.plain_name(run, "RUN"))
    say(f"{run}: time-stamped {moment}")


@app.command("signers")
def signers(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="A new list; it is signed by the key of $RUNBOOK_SIGN_KEY or of the agent."
        ),
    ] = None,
    inventory: RecordsOf = None,
) -> None:
    """Show who may sign what, and from when to when; with FILE, let that list follow the one that is in force."""
    from runbook_lib.display import Table
    from runbook_lib.records import root, signing
    from runbook_lib.records import signers as lists

    inventories.find_records(inventory)
    if file is not None:
        path, by = signing.replace_signers(root(), file)
        say(f"{path}: in force, signed by {by}")
        return
    listed = lists.in_force(root())
    if not listed:
        say(f"There is no list of signers yet under {root()}.")
        return
    rows = [
        (
            one.principal,
            ", ".join(sorted(one.namespaces)),
            one.begins or "-",
            one.ends or "-",
            one.blob.split()[0],
        )
        for one in listed
    ]
    say_shown(
        Table(("who", "may sign", "from", "to", "key"), rows, f"{lists.lists(root())[-1]}, times in UTC")
    )


@app.command("policy")
def policy(
    approvals: Annotated[
        int | None,
        typer.Option("--approvals", min=0, help="By how many other people a plan has to be approved."),
    ] = None,
    approval_days: Annotated[
        int | None, typer.Option("--approval-days", min=1, help="How many days an approval is good at most.")
    ] = None,
    review_days: Annotated[
        int | None,
        typer.Option("--review-days", min=1, help="Within how many days an emergency is to be reviewed."),
    ] = None,
    inventory: RecordsOf = None,
) -> None:
    """Show what has to be so before changes are made; with an option, let what the chain says be that, signed.

    Who may change the list of signers signs. What the inventory wants beyond it holds all the same.
    """
    from runbook_lib.records import policy as policies
    from runbook_lib.records import root

    inventories.find_records(inventory)
    if (approvals, approval_days, review_days) != (None, None, None):
        before = policies.of_chain(root())
        given = {"approvals": approvals, "approval_days": approval_days, "review_days": review_days}
        wanted = before.model_copy(update={name: value for name, value in given.items() if value is not None})
        by = policies.lower(root(), wanted)
        say(f"In the chain, signed by {by}.")
    found = policies.in_force(root())
    say(
        f"Approvals by other people: {found.approvals}, each good for {found.approval_days} days at most; "
        f"an emergency is to be reviewed within {found.review_days} days."
    )


@app.command("export")
def export(
    file: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The archive, a new tar file.")
    ],
    inventory: RecordsOf = None,
) -> None:
    """Write all records into one archive, with what an auditor needs to check them without us."""
    from runbook_lib.records import export as exports
    from runbook_lib.records import root

    inventories.find_records(inventory)
    written = exports.write(root(), file)
    say(f"{file}: {written.runs} runs, SHA-256 {written.sha256}")
    for one in written.heads:
        say(f"Head, to be handed over on another way: {one}")
    for line in written.wrong:
        say(f"WRONG {line}")
    raise typer.Exit(1 if written.wrong else 0)


@app.command("report")
def report(
    folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the report goes, a new folder.")
    ],
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=[_DAY], metavar="DAY", help="Runs that began on this day (UTC) or later."
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--to", formats=[_DAY], metavar="DAY", help="Runs that began on this day (UTC) or earlier."
        ),
    ] = None,
    inventory: RecordsOf = None,
    signers: OwnSigners = None,
    head: Heads = None,
) -> None:
    """Report on all runs of a period: a table for a spreadsheet, a page with what is open, which field answers what."""
    from runbook_lib.records import report as reports
    from runbook_lib.records import root, verification, words

    inventories.find_records(inventory)
    heads = [verification.Head.parse(text) for text in head or ()]
    made = reports.write(
        root(), folder, since.date() if since else None, until.date() if until else None, signers, heads
    )
    say(f"{folder / 'report.html'}: {len(made.rows)} runs; population.csv and controls.csv beside it")
    for key, rows in made.open_points.items():
        if rows:
            say(f"{words.say(key, 'en')}: {len(rows)}")
    for line in made.wrong:
        say(f"WRONG {line}")
    raise typer.Exit(1 if made.wrong else 0)


@app.command("page")
def page(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="The run's id: its pages, into the folder of --output."),
    ] = None,
    language: Annotated[
        str, typer.Option("--language", metavar="LANGUAGE", help="Of a run's pages: en or ja.")
    ] = "en",
    folder: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where a run's pages go, a new folder."),
    ] = None,
    inventory: RecordsOf = None,
) -> None:
    """Make the page over all runs anew, index.html in the folder of records: filtered by host, month and outcome.

    With RUN: that run's pages in a language, made from its records, into a folder of their own; the run stays as it is.
    """
    from runbook_lib.errors import UsageError
    from runbook_lib.messages import speech
    from runbook_lib.records import index, origin, pages, root, site_page

    inventories.find_records(inventory)
    if run is None:
        if folder is not None or language != speech.ENGLISH:
            raise UsageError("is of a run's pages", "--output, --language", "name the run, too")
        say(str(site_page.write(root())))
        return
    if language not in speech.languages():
        raise UsageError(f"there is no {language}", "--language", f"give {' or '.join(speech.languages())}")
    if folder is None or folder.exists():
        raise UsageError("is there already" if folder else "is missing", "--output", "name a new folder")
    found = index.read_run(root() / origin.plain_name(run, "RUN"))
    say(str(pages.write(found, folder, language)))


@app.command("form")
def form(
    run: Annotated[str, typer.Argument(help="The run's id.")],
    file: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The page, a new file.")],
    inventory: RecordsOf = None,
) -> None:
    """Fill in a form to print on A4: of a plan the work instruction (手順書), else the work record (作業記録)."""
    from runbook_lib.errors import UsageError
    from runbook_lib.records import files, forms, origin, root, verification

    inventories.find_records(inventory)
    if file.exists():
        raise UsageError("is there already", str(file), "name a new file")
    folder = root() / origin.plain_name(run, "RUN")
    files.write_atomically(file, forms.page(folder, verification.check(folder)).encode())
    say(f"{file}: open it in a browser, and print it")


Why = Annotated[
    str,
    typer.Option("--reason", help="A ticket, or why; it stays in the chain, so no secret and no name in it."),
]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]


@app.command("hold")
def hold(run: RunId, reason: Why, inventory: RecordsOf = None) -> None:
    """Keep a run from being redacted or from expiring, until it is released."""
    from runbook_lib.records import origin, retention, root

    inventories.find_records(inventory)
    retention.hold(root(), origin.plain_name(run, "RUN"), reason)
    say(f"{run}: on hold")


@app.command("release")
def release(run: RunId, reason: Why, inventory: RecordsOf = None) -> None:
    """Take a run off its hold."""
    from runbook_lib.records import origin, retention, root

    inventories.find_records(inventory)
    retention.release(root(), origin.plain_name(run, "RUN"), reason)
    say(f"{run}: on hold no more")


@app.command("redact")
def redact(
    run: RunId,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Its path in the run's folder: HOST/NN-chapter.ipynb.")
    ],
    reason: Why,
    inventory: RecordsOf = None,
) -> None:
    """Delete one file of a run for good; FILE.redacted says in its place what it was, who did it, and why."""
    from runbook_lib.records import origin, retention, root

    inventories.find_records(inventory)
    done = retention.redact(root(), origin.plain_name(run, "RUN"), file, reason)
    say(f"{run}/{file}: redacted")
    say(f"Seal: {done.told}")
    for path in retention.made_with(root() / run, file):
        say(f"See whether it has to go, too: {path}")
    say_beside("Copies elsewhere stay as they are: archives, backups, other folders.")


@app.command("expire")
def expire(
    before: Annotated[
        datetime,
        typer.Option("--before", formats=[_DAY], metavar="DAY", help="Runs that ended before it (UTC)."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Delete them; without it they are only named.")] = False,
    inventory: RecordsOf = None,
) -> None:
    """Delete the files of runs whose time is over; what says of each that it was, and what it was, stays."""
    from runbook_lib.records import retention, root
    from runbook_lib.records.index import counted

    inventories.find_records(inventory)
    found = retention.expire(root(), before.date()) if yes else retention.due(root(), before.date())
    for one in found:
        told = f"stays: {one.stays}" if one.stays else f"{counted(len(one.paths), 'file')}, {one.size} bytes"
        say(f"{one.run}: ended {one.ended}; {'deleted ' if yes and not one.stays else ''}{told}")
    going = [one for one in found if not one.stays]
    if going and not yes:
        say("Nothing was deleted. To delete these files for good, type it again with --yes.")
    elif not going:
        say(f"Nothing that ended before {before.date()} is to delete.")


@app.command("add")
def add(
    notebook: Annotated[Path, typer.Argument(help="The notebook, executed and saved.")],
    run: Run = None,
    inventory: RecordsOf = None,
) -> None:
    """Attach a notebook that was run by hand to the record of its chapter; the run is sealed, and signed, anew."""
    from runbook_lib.batch import quiet  # noqa: F401  # first: it keeps what follows quick and silent
    from runbook_lib.records import root
    from runbook_lib.records.attachment import add_notebook

    inventories.find_records(inventory)
    done = add_notebook(notebook, root(), run)
    entry = done.entry
    folder = root() / entry.record.run
    say(
        f"{notebook} is in the record of {entry.record.chapter} on {entry.record.host}: {folder / entry.page}"
    )
    say(f"Seal: {done.kept.told}")
