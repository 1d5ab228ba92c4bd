"""What `runbook status` says, for programs that watch: a line for Nagios and its like, a text file for Prometheus.

Sources: the Monitoring Plugins Development Guidelines (one line, exit status, performance data), Prometheus' text-based
exposition format, its practices for names, and the textfile collector of its node exporter.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path

from runbook_lib.afterwards.overview import End, Overview
from runbook_lib.errors import RunbookError, UsageError
from runbook_lib.inventory.purposes import MAIL
from runbook_lib.messages import message
from runbook_lib.site_ca.standing import CaStanding, Need

TEXT_FILE_ENDING = ".prom"  # the textfile collector reads no other
_READABLE = 0o644  # by the exporter, which is another account
_SHOWN = 3  # things in a line that a telephone shows


class State(IntEnum):
    """How a thing stands, by the exit status that says so."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_WORST_FIRST = (State.CRITICAL, State.UNKNOWN, State.WARNING, State.OK)


@dataclass(frozen=True)
class Seen:
    """One look at all hosts and at the own CA.

    Args:
        hosts: those that could be looked at.
        failures: why the others could not, by name.
    """

    hosts: tuple[Overview, ...]
    failures: Mapping[str, RunbookError]
    ca: CaStanding

    @property
    def needed(self) -> tuple[tuple[str, Need], ...]:
        """What a person has to do, each with the host, or 'CA'."""
        of_hosts = ((one.host, need) for one in self.hosts for need in one.needed)
        return (*of_hosts, *(("CA", need) for need in self.ca.needed))


def unknown(error: RunbookError) -> str:
    """The line where nothing could be looked at."""
    return _line(State.UNKNOWN, f"{error.where}: {error.problem}", ())


def nagios(seen: Seen, critical_days: int) -> tuple[State, str]:
    """The state of all of it, and the line that says so.

    Args:
        critical_days: what ends within so many days is critical; what ends later, and needs a person, is a warning.
    """
    told = [(State.UNKNOWN, f"{host}: {error.problem}") for host, error in seen.failures.items()]
    told += [(_state(need, critical_days), f"{name}: {need.what}") for name, need in seen.needed]
    told.sort(key=lambda one: _WORST_FIRST.index(one[0]))
    state = told[0][0] if told else State.OK
    lines = [text for _, text in told]
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    ends = [(one.host, one.earliest) for one in seen.hosts]
    first = min((end for _, end in ends if end), key=lambda end: end.at, default=None)
    well = (
        f"nothing needs a person; first to end: {first.what}, in {first.days} days"
        if first
        else "no certificate"
    )
    data = [
        _days_left(one, purpose, end, critical_days)
        for one in seen.hosts
        for purpose in one.purposes
        if (end := one.earliest_of(purpose))
    ]
    data.append(f"'not looked at'={len(seen.failures)};;;0;{len(seen.hosts) + len(seen.failures)}")
    return state, _line(state, "; ".join([*lines[:_SHOWN], *more]) or well, data)


def _days_left(host: Overview, purpose: str, end: End, critical_days: int) -> str:
    """Performance data of one certificate; below the number is the alert: '30:' is a range whose lower end is 30."""
    days = host.days_of(purpose)
    name = host.host if purpose == MAIL else f"{host.host} {purpose}"
    return f"'{name} days'={end.days};{days}:;{min(days, critical_days)}:"


def _state(need: Need, critical_days: int) -> State:
    if need.state == "unknown":
        return State.UNKNOWN
    soon = need.days is not None and need.days < critical_days
    return State.CRITICAL if soon or need.state == "broken" else State.WARNING


def _line(state: State, text: str, data: Sequence[str]) -> str:
    """One line; its first bar begins the performance data, so there is none before."""
    said = " ".join(text.replace("|", "/").split())
    return f"RUNBOOK {state.name} - {said}" + (f" | {' '.join(data)}" if data else "")


def prometheus(seen: Seen, written: datetime) -> str:
    """The same as metrics, without a time at each: the collector refuses those.

    Args:
        written: now; a metric says it, since an old file goes on being read.
    """
    looked_at = {**{one.host: 1.0 for one in seen.hosts}, **dict.fromkeys(seen.failures, 0.0)}
    ports = [(one.host, port) for one in seen.hosts for port in one.ports]
    states = ("due", "broken", "unknown")
    families: list[tuple[str, str, Iterable[tuple[Mapping[str, str], float]]]] = [
        ("status_written_timestamp_seconds", "When this was written.", [({}, written.timestamp())]),
        ("host_looked_at", "Whether a host could be looked at (1), or nothing is known of it (0).",
         [({"host": name}, value) for name, value in looked_at.items()]),
        ("certificate_end_timestamp_seconds", "When a certificate ends that a port shows, or one of its path.",
         [({"host": host, "port": str(port.port), "certificate": end.what}, _seconds(end.at))
          for host, port in ports for end in port.ends]),
        ("port_shows_file", "Whether a port shows the certificate of the file that Postfix reads (1), or not (0).",
         [({"host": host, "port": str(port.port)}, float(bool(port.serial) and not port.differs))
          for host, port in ports]),
        ("host_changed_since", "Things on a host that are no longer as a run left them.",
         [({"host": one.host}, len(one.drift)) for one in seen.hosts]),
        ("host_run_at_work", "Whether a run is at work on a host (1), or not (0).",
         [({"host": one.host}, float(bool(one.standing.holder))) for one in seen.hosts]),
        ("needs", "Things that a person has to do: due, broken already, or unknown since they could not be looked at.",
         [({"host": name, "state": state}, sum(one == name and need.state == state for one, need in seen.needed))
          for name in (*(one.host for one in seen.hosts), "CA") for state in states]),
        ("ca_root_end_timestamp_seconds", "When a root ends that users are to trust.",
         [({"root": str(root.generation)}, _seconds(root.at)) for root in seen.ca.roots]),
        ("ca_crl_next_update_timestamp_seconds", "When the newest list of revoked certificates of a root is over.",
         [({"root": str(crl.root)}, _seconds(crl.next_update)) for crl in seen.ca.crls]),
    ]  # fmt: skip
    return "".join(
        line for name, told, samples in families for line in _family(f"runbook_{name}", told, samples)
    )


def _family(name: str, told: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> Iterator[str]:
    """A metric's lines; of several samples with the same labels, as a root that is sent twice, the first."""
    yield f"# HELP {name} {told}\n# TYPE {name} gauge\n"
    lines: dict[str, float] = {}
    for labels, value in samples:
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.setdefault(f"{name}{{{inner}}}" if inner else name, value)
    yield from (f"{start} {float(value)!r}\n" for start, value in lines.items())


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def refuse_text_file(path: Path) -> None:
    """Refuse a file that would never be read, before hosts are looked at.

    Raises: UsageError.
    """
    if path.suffix != TEXT_FILE_ENDING:
        raise UsageError(
            message(
                "does not end in {ending}, so the textfile collector would not read it",
                ending=TEXT_FILE_ENDING,
            ),
            message("--textfile {path}", path=path),
            message("write it as {path}", path=path.with_suffix(TEXT_FILE_ENDING)),
        )


def write_text_file(path: Path, text: str) -> None:
    """Put the metrics into a file that others read meanwhile: they see the old text or the new one.

    Raises: UsageError: it cannot be written; what was there stays.
    """
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=".", suffix=".part", delete=False
        ) as part:
            try:
                part.write(text)
                part.flush()
                os.fsync(part.fileno())
                os.fchmod(part.fileno(), _READABLE)
                Path(part.name).replace(path)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UsageError(
            message(
                "it cannot be written ({reason}); what was there before is there still",
                reason=error.strerror or str(error),
            ),
            message("--textfile {path}", path=path),
            message(
                "name a file in the folder that node_exporter reads (--collector.textfile.directory); it "
                "has to be there, and to let this account write"
            ),
        ) from None
