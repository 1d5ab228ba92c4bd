"""Which tests go to one process together, and in which order: the longest group first, so that none is waited for.

A group is the tests of a file about one host, in the file's order, or the tests of a file that are about none; the
notebooks of a folder are one group, in their order. How long each took is in durations.txt, which `make durations`
renews.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from lab.releases import RELEASES

DURATIONS = Path(__file__).with_name("durations.txt")
_UNKNOWN_S = 1.0
_LEAST_S = 0.5  # what is quicker is not written down
_LONG_S = 35.0  # what takes longer is a test for `make long`
_ON_ONE_HOST_S = 10.0  # and what takes longer than this is tried on one host by `make test`


class InGroups(LoadScopeScheduling):  # type: ignore[misc]
    """xdist's own scheduling by scope, with groups for scopes; its marks for groups do not reach pytest 9."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def sort(items: list[pytest.Item]) -> None:
    """Put tests into the order of their groups."""
    known = _durations()
    groups: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        groups[group_of(item.nodeid)].append(item)
    took = {
        name: sum(known.get(item.nodeid, _UNKNOWN_S) for item in members) for name, members in groups.items()
    }
    items[:] = [item for name in sorted(groups, key=lambda name: -took[name]) for item in groups[name]]


def group_of(nodeid: str) -> str:
    """The group of a test, by its name alone: both ends of xdist ask."""
    file, _, _ = nodeid.partition("::")
    if file.endswith(".ipynb"):
        return Path(file).parent.as_posix()
    _, host = _without_host(nodeid)
    return f"{file} {host}".strip()


def _without_host(nodeid: str) -> tuple[str, str]:
    """What a test is but for the host, and the host; '' where its name has none."""
    test, _, parameters = nodeid.partition("[")
    words = parameters.removesuffix("]").split("-")
    host = next((word for word in words if word in RELEASES), "")
    return "-".join([test, *(word for word in words if word != host)]), host


def left_out(part: str, items: Sequence[pytest.Item]) -> frozenset[str]:
    """What a part of the tests leaves out: `check`, `test` or `long`; `all` has every one."""
    if part == "all":
        return frozenset()
    if part == "check":
        marks = ("lab", "programs")
        return frozenset(item.nodeid for item in items if any(map(item.get_closest_marker, marks)))
    long = long_forms(items)
    return long if part == "test" else frozenset(item.nodeid for item in items) - long


def long_forms(items: Iterable[pytest.Item]) -> frozenset[str]:
    """What `make test` leaves to `make long`: tests that take long by themselves, and the other hosts of some.

    Of a table of rows the quickest counts: the first one pays for what all of them need. A test with the mark `always`
    is none of the first kind: a page says that `make test` tries it.
    """
    known = _durations()
    ids = [item.nodeid for item in items if not item.nodeid.partition("::")[0].endswith(".ipynb")]
    quickest: dict[str, float] = {}
    for name in ids:
        function = name.partition("[")[0]
        quickest[function] = min(known.get(name, 0.0), quickest.get(function, known.get(name, 0.0)))
    always = {item.nodeid for item in items if item.get_closest_marker("always")}
    long = {name for name in ids if quickest[name.partition("[")[0]] > _LONG_S}
    return frozenset(long - always) | on_other_hosts(ids, known)


def on_other_hosts(nodeids: Iterable[str], took: Mapping[str, float] | None = None) -> frozenset[str]:
    """Of the long tests that are there for several hosts, all but one each; which host that is differs among tests.

    Args:
        took: seconds that a test took; None: what durations.txt says.
    """
    known = _durations() if took is None else took
    alike: dict[str, list[str]] = defaultdict(list)
    for nodeid in nodeids:
        test, host = _without_host(nodeid)
        if host:
            alike[test].append(nodeid)
    left = set()
    for test, members in alike.items():
        if max(known.get(member, 0.0) for member in members) >= _ON_ONE_HOST_S:
            left |= {*members} - {sorted(members)[zlib.crc32(test.encode()) % len(members)]}
    return frozenset(left)


def _durations() -> Mapping[str, float]:
    if not DURATIONS.exists():
        return {}
    rows = (line.split(" ", 1) for line in DURATIONS.read_text(encoding="utf-8").splitlines())
    return {name: float(seconds) for seconds, name in rows}


def write_durations(config: pytest.Config) -> None:
    """Write what each test took, the longest first, set-up and clearing away included: seconds, then its name.

    A test that was not tried keeps what it took before.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    took: dict[str, float] = defaultdict(float)
    for reports in reporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                took[report.nodeid] += report.duration
    rows = sorted((dict(_durations()) | took).items(), key=lambda row: -row[1])
    lines = [f"{seconds:.1f} {name}\n" for name, seconds in rows if seconds >= _LEAST_S]
    config.option.durations_file.write_text("".join(lines), encoding="utf-8")
