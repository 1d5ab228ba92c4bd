"""Bytes that are no UTF-8 are shown escaped and stay what they are on the host; large answers come whole."""

from pathlib import Path, PurePosixPath

import pytest
from remote_hosts import connected

from lab import Lab
from runbook_lib import remote
from runbook_lib.errors import CommandFailed
from runbook_lib.records import Record
from runbook_lib.remote.change import Plan
from runbook_lib.remote.files import FUNCTIONS, FileState, MadeOnHost, looks, plan_file, seen_in
from runbook_lib.remote.journal import Journal

HOST = "debian12"
MIB = 1024 * 1024
EUC_JP = "# メールの中継\n".encode("euc-jp")
BEFORE = EUC_JP + b"relayhost =\nmydestination = caf\xe9\n"
AFTER = BEFORE.replace(b"relayhost =", b"relayhost = [192.0.2.1]")
FOLDER = PurePosixPath("/etc/any-bytes")
PATH = FOLDER / "main.cf"


def test_file_of_another_encoding_is_changed_in_one_line_and_given_back_to_the_byte(lab: Lab) -> None:
    with connected(lab, HOST) as host:
        latin_1 = b"mkdir %s && cat > %s && : > '%s/caf\xe9'" % tuple(
            str(one).encode() for one in (FOLDER, PATH, FOLDER)
        )
        host.run(latin_1, root=True, stdin=BEFORE)
        try:
            look = {**looks([PATH]), "names": f"ls {FOLDER}"}
            facts = remote.gather(host, look, root=True, functions=FUNCTIONS)
            assert facts["names"].value == "caf\\xe9\nmain.cf"
            seen = seen_in(facts, [PATH])[PATH]
            assert seen.file is not None
            assert seen.file.content == BEFORE
            [change] = plan_file(PATH, seen, FileState.wanted(AFTER, seen.file.owner, seen.file.mode))
            shown = change.diff()
            assert "\\xa5\\xeb" in shown  # ル in EUC-JP
            assert "-relayhost =\n+relayhost = [192.0.2.1]\n" in shown
            assert "caf\\xe9\n" in shown
            assert shown.encode()  # nothing in it that no terminal could show
            journal = Journal(host, "any-bytes", "tests", "")
            journal.apply(Plan("bytes", (change,)), [])
            assert host.run(f"cat {PATH}", root=True).stdout == AFTER
            undone = host.run(journal.undo_command, root=True, check=False)
            assert undone.status == 0, undone.text
            assert host.run(f"cat {PATH}", root=True).stdout == BEFORE
        finally:
            host.run(f"rm -rf {FOLDER} /var/lib/runbook/any-bytes", root=True)


def test_fact_of_eight_mebibytes_comes_whole(lab: Lab) -> None:
    with connected(lab, HOST) as host:
        large, after = remote.gather(
            host, {"large": f"head -c {8 * MIB} /dev/zero | tr '\\0' x", "after": "echo here"}, root=True
        ).values()
    assert (len(large.value), set(large.value), large.status) == (8 * MIB, {"x"}, 0)
    assert after.value == "here"


def test_change_that_fails_with_eight_mebibytes_is_in_the_record_by_its_ends(
    lab: Lab, tmp_path: Path
) -> None:
    """Head, tail, length, and the digest of the file in the journal that has all of it."""
    run = "20261126T000000Z-0009"
    change = MadeOnHost("a lot is said", (), "seq 1200000; seq 1200000 >&2; false", "nothing")
    record = Record.begin(
        tmp_path, run, HOST, "20-postfix-debian",
        title="x", mode="apply", reason="", operator="tests", lab=True, facts={}, inventory_sha256="",
    )  # fmt: skip
    with connected(lab, HOST) as host:
        try:
            with pytest.raises(CommandFailed) as failed:
                Journal(host, run, "tests", "").apply(Plan("much", (change,)), [])
            log = f"/var/lib/runbook/{run}/001.log"
            size, digest = host.run(
                f"stat -c %s {log}; sha256sum < {log} | cut -c 1-64", root=True
            ).text.split()
        finally:
            host.run(f"rm -rf /var/lib/runbook/{run}", root=True)
    assert int(size) > 16 * MIB
    record.finish("failed", None, error=failed.value)
    assert record.data.error is not None
    kept = record.data.error.message
    assert f"all of it: {int(size):,} bytes, SHA-256 {digest}]" in kept
    assert "\n    1\n    2\n" in kept
    assert "\n    1200000\n" in kept
    assert record.path.stat().st_size < 4000
