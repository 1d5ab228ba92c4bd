"""`runbook status` for programs that watch: a plugin's line, performance data and exit status; and metrics."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command_line import runbook
from fake_chapters import write_inventory
from prometheus_client.parser import text_string_to_metric_families

from runbook_lib.afterwards import monitored, overview
from runbook_lib.afterwards.monitored import Seen, State
from runbook_lib.afterwards.overview import End, Overview, PortShown
from runbook_lib.errors import HostUnreachable
from runbook_lib.mail.certificates.of_ports import OnDisk
from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stage
from runbook_lib.remote.drift import Drifted
from runbook_lib.remote.runs import Standing
from runbook_lib.site_ca.standing import CaStanding, CrlEnd, Need, RootEnd

# The guidelines: 'label'=value[UOM];[warn];[crit];[min];[max], and a range that is 10, 10:, ~:10, 10:20 or @10:20.
NUMBER = r"-?[0-9.]+"
RANGE = rf"(@?((~|{NUMBER})?:)?({NUMBER})?)"
DATUM = re.compile(
    rf"('[^'=]+'|[^ '=]+)={NUMBER}(s|us|ms|%|B|KB|MB|TB|c)?(;{RANGE}){{0,2}}(;({NUMBER})?){{0,2}}"
)
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
END = End("server certificate", "2027-01-29T12:00:00+00:00", 60)
ROOT = End('root CN=Example "mail" CA\\new', "2036-01-01T00:00:00+00:00", 3318)
PORT = PortShown(465, "0A", ("0A",), "", "", (END, ROOT))
WELL = Overview("mail1", Standing("", False, ()), (PORT,), "0A", (), 30, ())
CA = CaStanding((), (), ())
GONE = HostUnreachable("no connection | refused\nby 192.0.2.1", "mail2", "see whether it runs")


def seen(*needs: Need, days: int = 60, gone: bool = False, ca: CaStanding = CA) -> Seen:
    end = replace(END, days=days)
    host = replace(WELL, ports=(replace(PORT, ends=(end,)),), needed=needs)
    return Seen((host,), {"mail2": GONE} if gone else {}, ca)


def at_end(days: int) -> Need:
    return Need.of_end("server certificate", days, END.at)


@pytest.mark.parametrize(
    ("what", "state"),
    [
        (seen(), State.OK),
        (seen(at_end(20), days=20), State.WARNING),
        (seen(at_end(7), days=7), State.WARNING),
        (seen(at_end(6), days=6), State.CRITICAL),
        (seen(at_end(-1), days=-1), State.CRITICAL),
        (seen(Need("changed since run r")), State.WARNING),
        (seen(Need("port 465 could not be asked: closed", "broken")), State.CRITICAL),
        (seen(Need("port 465 could not be asked: limited", "unknown")), State.UNKNOWN),
        (seen(gone=True), State.UNKNOWN),
        (seen(at_end(20), days=20, gone=True), State.UNKNOWN),  # never less than what is not known
        (seen(at_end(6), days=6, gone=True), State.CRITICAL),  # what is known to be broken is told first
        (Seen((), {"mail2": GONE}, CA), State.UNKNOWN),
        (seen(ca=CaStanding((), (), (Need("0A is revoked, and no CRL says so"),))), State.WARNING),
        (seen(ca=CaStanding((), (), (Need.of_end("CRL number 3", -2, END.at),))), State.CRITICAL),
    ],
)
def test_the_state_of_all_is_that_of_the_worst(what: Seen, state: State) -> None:
    found, line = monitored.nagios(what, 7)
    assert found is state
    assert line.startswith(f"RUNBOOK {state.name} - ")


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (Kind.NOT_REACHED, State.CRITICAL),  # asked from the host itself: nothing listens there
        (Kind.CLOSED, State.CRITICAL),
        (Kind.NOT_ASKED, State.UNKNOWN),
        (Kind.LIMITED, State.UNKNOWN),
    ],
)
def test_a_port_that_our_side_could_not_ask_is_unknown_and_one_that_does_not_answer_is_broken(
    kind: Kind, state: State
) -> None:
    obstacle = Obstacle(Stage.CONNECT, kind, "no answer")
    port = overview._port(465, obstacle, OnDisk((), (), ()), (), NOW, {})
    needed = tuple(overview._needed(WELL.standing, [port], {"mail": "0A"}, (), {"mail": 30}, "runbook apply"))
    found, line = monitored.nagios(Seen((replace(WELL, ports=(port,), needed=needed),), {}, CA), 7)
    assert found is state
    assert "mail1: port 465 could not be asked: no answer" in line


def test_a_line_is_one_line_and_its_data_is_as_the_guidelines_have_it() -> None:
    needs = [Need(f"thing {number}") for number in range(5)]
    _, line = monitored.nagios(seen(*needs, at_end(6), days=6, gone=True), 7)
    assert "\n" not in line
    said, bar, data = line.partition(" | ")
    assert bar
    assert "|" not in said
    assert said == (
        "RUNBOOK CRITICAL - mail1: server certificate ends in 6 days, at 2027-01-29T12:00:00+00:00; "
        "mail2: no connection / refused by 192.0.2.1; mail1: thing 0; and 4 more"
    )
    assert data == "'mail1 days'=6;30:;7: 'not looked at'=1;;;0;2"
    assert all(DATUM.fullmatch(datum) for datum in re.findall(r"'[^']*'=\S*", data))


def test_the_data_s_ranges_are_those_of_the_state() -> None:
    """Nagios' ranges alert outside; '7:' is from 7 on. With fewer days for a person, the critical ones are no more."""
    _, line = monitored.nagios(Seen((replace(WELL, days=5),), {}, CA), 7)
    assert "'mail1 days'=60;5:;5:" in line
    assert "RUNBOOK OK - nothing needs a person; first to end: server certificate, in 60 days | " in line


def metrics(what: Seen) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What Prometheus' own parser reads, by name and labels; a sample that is there twice is refused."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(monitored.prometheus(what, NOW)):
        assert family.documentation
        assert family.type == "gauge"
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            assert sample.timestamp is None  # the textfile collector refuses a file with one
            found[key] = sample.value
    return found


def value(what: Seen, name: str, **labels: str) -> float | None:
    return metrics(what).get((f"runbook_{name}", frozenset(labels.items())))


def test_metrics_are_the_values_of_the_table() -> None:
    port = replace(PORT, port=587, serial="0B")
    drift = Drifted("r", "unit saslauthd", "active", "inactive")
    needed = (Need("a"), Need("b", "broken"), Need("c"))
    host = replace(
        WELL, ports=(PORT, port), drift=(drift,), needed=needed, standing=Standing("run r of k", False, ())
    )
    root = RootEnd(1, "CN=Example mail CA", ROOT.at, 3318, "signs")
    crl = CrlEnd(3, 1, "2027-02-01T00:00:00+00:00", 62)
    what = Seen((host,), {"mail2": GONE}, CaStanding((root,), (crl,), (Need("d"),)))
    assert value(what, "status_written_timestamp_seconds") == NOW.timestamp()
    assert value(what, "host_looked_at", host="mail1") == 1
    assert value(what, "host_looked_at", host="mail2") == 0
    ends = {"host": "mail1", "port": "465"}
    end = value(what, "certificate_end_timestamp_seconds", certificate="server certificate", **ends)
    assert end == datetime(2027, 1, 29, 12, tzinfo=UTC).timestamp()
    assert value(what, "certificate_end_timestamp_seconds", certificate=ROOT.what, **ends) is not None
    assert value(what, "port_shows_file", host="mail1", port="465") == 1
    assert value(what, "port_shows_file", host="mail1", port="587") == 0
    assert value(what, "host_changed_since", host="mail1") == 1
    assert value(what, "host_run_at_work", host="mail1") == 1
    assert [value(what, "needs", host="mail1", state=state) for state in ("due", "broken", "unknown")] == [
        2,
        1,
        0,
    ]
    assert value(what, "needs", host="mail2", state="due") is None  # nothing is known of it
    assert value(what, "needs", host="CA", state="due") == 1
    assert value(what, "ca_root_end_timestamp_seconds", root="1") is not None
    assert value(what, "ca_crl_next_update_timestamp_seconds", root="1") is not None


def test_names_are_as_prometheus_has_them() -> None:
    root = RootEnd(1, "CN=Example mail CA", ROOT.at, 3318, "signs")
    crl = CrlEnd(3, 1, "2027-02-01T00:00:00+00:00", 62)
    names = {name for name, _ in metrics(Seen((WELL,), {}, CaStanding((root,), (crl,), ())))}
    assert len(names) == 9
    for name in names:
        assert re.fullmatch("runbook_[a-z_]+", name)
        assert not name.endswith(("_total", "_count", "_sum", "_bucket"))  # those of other types
    assert {name for name in names if "_end_" in name or "_update_" in name or "_written_" in name} == {
        name for name in names if name.endswith("_timestamp_seconds")
    }


def test_the_file_is_replaced_whole_and_its_readers_may_be_others(tmp_path: Path) -> None:
    path = tmp_path / "runbook.prom"
    path.write_text("old")
    with path.open() as reader:
        monitored.write_text_file(path, "new\n")
        assert reader.read() == "old"
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["runbook.prom"]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """An inventory with a host whose port for SSH nobody listens on."""
    path = write_inventory(tmp_path, "mail1")
    path.write_text(path.read_text().replace("address: 192.0.2.0", "address: 127.0.0.1\n    port: 1"))
    return path


Asked = Callable[..., tuple[int, str]]


@pytest.fixture
def asked(book: Path) -> Asked:
    def ask(*words: str) -> tuple[int, str]:
        done = runbook("status", "--inventory", str(book), *words)
        return done.returncode, done.stdout

    return ask


def test_a_host_that_cannot_be_reached_is_unknown(asked: Asked) -> None:
    status, said = asked("--nagios")
    assert status == 3
    assert said.startswith("RUNBOOK UNKNOWN - mail1: ")
    assert said.endswith("| 'not looked at'=1;;;0;1\n")


@pytest.mark.parametrize(
    "words",
    [
        ("--days", "many"),
        ("--days",),
        ("--nonsense",),
        ("--critical-days", "-1"),
        ("--json",),
        ("--host", "none"),
    ],
    ids=" ".join,
)
def test_a_plugin_whose_options_are_wrong_says_unknown_and_not_critical(
    asked: Asked, words: tuple[str, ...]
) -> None:
    assert asked("--nagios", *words)[0] == 3


def test_without_the_option_wrong_options_are_wrong_usage(asked: Asked) -> None:
    assert asked("--days", "many")[0] == 2


def test_an_inventory_that_is_wrong_is_unknown(asked: Asked, book: Path) -> None:
    book.write_text("site: 3\n")
    status, said = asked("--nagios")
    assert status == 3
    assert said.startswith("RUNBOOK UNKNOWN - ")
    assert said.count("\n") == 1


def test_the_text_file_says_that_nothing_is_known_of_a_host(asked: Asked, tmp_path: Path) -> None:
    path = tmp_path / "runbook.prom"
    assert asked("--textfile", str(path)) == (0, "")
    text = path.read_text()
    assert 'runbook_host_looked_at{host="mail1"} 0.0\n' in text
    first = next(iter(text_string_to_metric_families(text)))
    assert first.name == "runbook_status_written_timestamp_seconds"


def test_a_text_file_that_would_not_be_read_or_cannot_be_written_is_refused(
    asked: Asked, tmp_path: Path
) -> None:
    assert asked("--textfile", str(tmp_path / "runbook.txt"))[0] == 2
    assert asked("--textfile", str(tmp_path / "none" / "runbook.prom"))[0] == 2
    assert asked("--textfile", str(tmp_path / "runbook.prom"), "--json")[0] == 2
    assert not list(tmp_path.glob("*.prom"))


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Both units as the command prints them, put where systemd is told to look."""
    for kind in ("service", "timer"):
        done = runbook("unit", kind)
        assert done.returncode == 0
        (tmp_path / f"runbook-status.{kind}").write_text(done.stdout)
    return [tmp_path / f"runbook-status.{kind}" for kind in ("service", "timer")]


def test_systemd_takes_the_units_as_they_are_printed(units: list[Path]) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_finds_little_that_the_service_could_reach(units: list[Path]) -> None:
    """By its own measure, from 0 to 100; what it finds is mostly the network, which is needed."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", units[0]],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_too_says_of_whom_nothing_is_known(asked: Asked) -> None:
    assert asked() == (1, "\nNothing is known of mail1. Apart from that:\nNothing needs a person.\n")
