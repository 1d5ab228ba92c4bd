"""Whoever writes a file on a host does not decide how long the controller works at it, nor that it ends in a trace.

The inputs are so long that what took the square of their length would take hours: the deadline is no matter of speed.
"""

import base64
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from nbformat.v4 import new_markdown_cell, new_notebook
from remote_hosts import connected

from lab import Lab
from runbook_lib import display
from runbook_lib.errors import RecordError, RollbackConflict
from runbook_lib.families.debian import DEBIAN
from runbook_lib.mail.configuration.parse import logical_lines
from runbook_lib.mail.ownership.managers import MANAGERS, NO_LONGER
from runbook_lib.mail.target.sasl import open_to
from runbook_lib.records.notebook_page import notebook_page
from runbook_lib.remote.change import Plan
from runbook_lib.remote.facts import Fact, gather
from runbook_lib.remote.files import FUNCTIONS, DirectoryChange, FileState, looks, plan_file, seen_in
from runbook_lib.remote.journal import Journal
from runbook_lib.remote.rollback import rollback

HOST = "debian12"
DEADLINE_S = 120
MANY = 400_000


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    def ended(_number: int, _frame: object) -> None:
        raise TimeoutError(f"still at it after {DEADLINE_S} s")

    before = signal.signal(signal.SIGALRM, ended)
    signal.alarm(DEADLINE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_a_comment_without_end_is_read() -> None:
    for words in ("managed ", "managed by ", "not managed ", "puppet ", "not ", "a"):
        comment = "# " + words * (200_000 // len(words))
        assert any(one.signs_itself(comment) for one in MANAGERS) is False
        NO_LONGER.search(comment)


@pytest.mark.parametrize("piece", ["a ", "a\n", "\\xff", "\x1b[1m", "=\n"], ids=ascii)
def test_an_output_of_single_letters_takes_no_more_memory_than_others(piece: str) -> None:
    """Secrets are looked for in what is shown of it; each blank of it costs nothing."""
    script = f"""
import os, resource
from runbook_lib import credentials
from runbook_lib.remote.exchange import OUTPUT_LIMIT_BYTES, _shown
os.environ["SECRET"] = "Kensa-Pa55wort"
credentials.resolve("env:SECRET", "test")
credentials.mask("x" + os.environ["SECRET"])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 512 * 2**20,) * 2)
piece = {piece!r}.encode()
end = b"Kensa-Pa5" + b"5wort"
told = _shown("what came", stdout=piece * (OUTPUT_LIMIT_BYTES // len(piece)) + end, stderr=b"")
assert "***" in told and "5wort" not in told and "SHA-256" not in told, told
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=DEADLINE_S)


def test_continuation_lines_without_end_are_one_line() -> None:
    (line,) = logical_lines(b"mynetworks =\n" + b"  192.0.2.1\n" * MANY)
    assert len(line.parts) == MANY + 1


def applied(diff: str, before: list[str]) -> list[str]:
    """What patch(1) makes of the lines, by a diff of one hunk."""
    _, _, hunk, *lines = diff.splitlines()
    first, _, count = hunk.split()[1][1:].partition(",")
    kept = [line[1:] for line in lines if line[0] in " -"]
    assert kept == before[int(first) - 1 :][: int(count)]
    assert f",{len([line for line in lines if line[0] in ' +'])} " in hunk.split("+")[1] + " "
    put = [line[1:] for line in lines if line[0] in " +"]
    return [*before[: int(first) - 1], *put, *before[int(first) - 1 + int(count) :]]


@pytest.mark.parametrize("at", [0, 2, 3_000, 5_998, 5_999])
def test_the_diff_of_a_long_file_is_right(at: int) -> None:
    old = [f"line {number}" for number in range(6_000)]
    new = [*old[:at], "another", *old[at + 1 :]]
    diff = display.unified_diff(
        "/x", *("".join(f"{one}\n" for one in lines).encode() for lines in (old, new))
    )
    assert applied(diff, old) == new
    assert len(diff.splitlines()) <= 3 + 2 + 6


def test_long_files_without_a_line_in_common_are_told() -> None:
    old, new = (b"".join(b"%d\n" % (number * step % 977) for number in range(MANY)) for step in (1, 3))
    assert display.unified_diff("/x", old, new).count("\n") > MANY
    assert display.unified_diff("/x", None, new).count("\n+") == MANY + 1  # the first is '+++ /x'
    assert display.unified_diff("/x", old, None).count("\n-") == MANY
    assert display.unified_diff("/x", old, old) == ""


def test_owners_with_a_blank_in_the_name_are_read_whole() -> None:
    """A group of a directory service: domain users."""
    path, digest = PurePosixPath("/etc/x"), "0" * 64
    body = base64.b64encode(b"a\n").decode()
    fact = Fact(f"file 640 root:domain users {digest}\n\t\t\n{body}", 0)
    seen = seen_in({str(path): fact}, [path])[path]
    assert seen.file == FileState(b"a\n", "root:domain users", 0o640, digest)
    assert open_to("710 root:domain users", DEBIAN) == "group domain users may open it, and Postfix may not"


def test_a_picture_that_is_a_folder_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "picture.png").mkdir()
    notebook = new_notebook(cells=[new_markdown_cell("![x](picture.png)")])
    with pytest.raises(RecordError, match=r"cannot be read: Is a directory.*") as refusal:
        notebook_page(notebook, "A chapter", "record.html", tmp_path)
    assert "picture.png" in str(refusal.value)


def test_a_conflict_in_a_long_file_of_an_odd_group_ends(lab: Lab) -> None:
    """Somebody makes the file long after the run; the folder's group has a blank in its name."""
    lab.reset(HOST, "bare")
    lab.exec(HOST, "echo 'domain users:x:4242:' >> /etc/group")
    lab.exec(
        HOST,
        f"seq {MANY} > /etc/long; chmod 644 /etc/long; mkdir -m 750 /etc/odd; chgrp 'domain users' /etc/odd",
    )
    run, path, odd = "20260101T000000Z-aaaa", PurePosixPath("/etc/long"), PurePosixPath("/etc/odd")
    with connected(lab, HOST) as host:
        seen = seen_in(gather(host, looks([path, odd]), root=True, functions=FUNCTIONS), [path, odd])
        changes = (
            *plan_file(path, seen[path], FileState.wanted(b"ours\n")),
            DirectoryChange(odd, seen[odd], "root:root", 0o755),
        )
        Journal(host, run, "tests").apply(Plan("Files", changes), [])
        lab.exec(HOST, f"seq {MANY} | awk '{{ print $1 * 3 % 977 }}' > /etc/long")
        with pytest.raises(RollbackConflict) as conflict:
            rollback(host, run, "tests")
    assert lab.exec(HOST, "stat -c '%a %U:%G' /etc/odd") == b"750 root:domain users\n"
    told = str(conflict.value)
    assert "CONFLICT /etc/long: changed since" in told
    assert "lines left out; this diff" in told
    assert told.count("\n") < 100
