"""Scripts on a host: any size, any bytes, any login shell, an end to every wait, failures that say enough."""

import pickle
import subprocess
import threading
import time
from collections.abc import Iterator
from hashlib import sha256

import pytest
from remote_hosts import connected

from lab import Lab
from lab.podman import podman
from runbook_lib import credentials, remote
from runbook_lib.errors import CommandFailed, DeadlineExceeded, HostUnreachable, OutputTooLong
from runbook_lib.remote.exchange import LINGER_S, Exchange

HOSTS = ["debian12", "debian13"]
MIB = 1024 * 1024
ALL_BYTES = bytes(range(1, 256))


@pytest.fixture(scope="module", params=HOSTS)
def host(lab: Lab, request: pytest.FixtureRequest) -> Iterator[remote.Host]:
    with connected(lab, request.param) as host:
        yield host


def test_script_of_a_mebibyte_runs_and_its_status_is_told(host: remote.Host) -> None:
    script = "# a line that only takes room\n" * (MIB // 30) + "echo done; exit 7\n"
    result = host.run(script, check=False)
    assert (result.status, result.text) == (7, "done")


@pytest.mark.parametrize("root", [False, True])
def test_streams_of_eight_mebibytes_pass_at_once(host: remote.Host, root: bool) -> None:
    """Standard input, output and error are all full at the same time; none waits for another."""
    payload = bytes(range(256)) * (8 * MIB // 256)
    result = host.run("tee /dev/stderr", stdin=payload, root=root)
    assert result.stdout == payload
    assert result.stderr == payload


def test_failure_of_eight_mebibytes_says_the_ends_of_both_streams(host: remote.Host) -> None:
    """What a record keeps of it is the head, the tail, the length and the digest, of each."""
    script = (
        "head -c 8388608 /dev/zero | tr '\\0' o; echo end; head -c 8388608 /dev/zero | tr '\\0' e >&2; exit 3"
    )
    with pytest.raises(CommandFailed) as failed:
        host.run(script)
    said = str(failed.value)
    assert len(said) < 3000
    out, err = b"o" * 8 * MIB + b"end\n", b"e" * 8 * MIB
    for stream in (out, err):
        assert f"all of it: {len(stream):,} bytes, SHA-256 {sha256(stream).hexdigest()}]" in said
    assert "oend\n" in said


def test_slow_reader_and_a_network_that_stalls_lose_nothing(
    lab: Lab, host: remote.Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read before the status is told, so the last bytes are still on the host; then nothing comes for longer
    than a child that stays is waited for.
    """
    read = Exchange._read
    stalled: list[float] = []
    lift = threading.Timer(2.6, lab.exec, (host.name, "nft delete table inet stall"))

    def slowly(self: Exchange) -> bool:
        if not stalled:
            if not self._channel.exit_status_ready():
                return False
            lab.exec(
                host.name,
                "nft add table inet stall\nnft 'add chain inet stall out { type filter hook output priority 0; }'\n"
                "nft add rule inet stall out tcp sport 22 drop",
            )
            stalled.append(time.monotonic())
            lift.start()
        return read(self)

    window = host.open().default_window_size
    monkeypatch.setattr(Exchange, "_read", slowly)
    result = host.run(f"head -c {window + 32768} /dev/zero", timeout_s=60)
    assert time.monotonic() - stalled[0] > LINGER_S, "the last bytes did not wait for the network"
    assert len(result.stdout) == window + 32768
    lift.join()


def test_payload_that_is_not_read_does_not_block(host: remote.Host) -> None:
    assert host.run("exit 3", stdin=b"x" * 8 * MIB, check=False, timeout_s=10).status == 3


@pytest.mark.parametrize("root", [False, True])
def test_bytes_of_any_encoding_pass_both_ways(host: remote.Host, root: bool) -> None:
    """EUC-JP and Latin-1 in a script, as bytes or as text with escapes, come back as they were."""
    here = b"cat <<'END'\n" + ALL_BYTES.replace(b"\n", b"") + b"\nEND\n"
    expected = ALL_BYTES.replace(b"\n", b"") + b"\n"
    assert host.run(here, root=root).stdout == expected
    assert host.run(here.decode("utf-8", "surrogateescape"), root=root).stdout == expected


def test_text_shows_bytes_that_are_not_utf_8_escaped(host: remote.Host) -> None:
    assert host.run(r"printf 'caf\351 \343\201\202\n'").text == "caf\\xe9 あ"


def test_only_the_last_newline_is_cut_from_text(host: remote.Host) -> None:
    result = host.run("printf 'a\\n\\n'")
    assert (result.stdout, result.text) == (b"a\n\n", "a\n")


def test_script_that_ends_in_a_comment_or_a_here_document_is_whole(host: remote.Host) -> None:
    assert host.run("echo a # b").text == "a"
    assert host.run("cat <<E\nx\nE").text == "x"
    assert host.run("").stdout == b""


def test_no_line_of_a_script_runs_before_all_of_it_is_there(host: remote.Host) -> None:
    """A connection that breaks in the middle of a script must not run the half that arrived."""
    channel = host.open().open_session()
    script = remote.script.Script.of("touch /tmp/half-a-script\necho the second half\n")
    channel.exec_command(script.command)
    channel.sendall(script.sent[:-12])
    channel.shutdown_write()
    assert channel.recv_exit_status() != 0
    channel.close()
    assert host.run("ls /tmp/half-a-script", check=False).status != 0


def test_failure_says_command_status_and_last_words(host: remote.Host) -> None:
    script = "# first a remark\nset -e\nseq 30 >&2; sh -c 'exit 4'"
    with pytest.raises(CommandFailed) as failed:
        host.run(script)
    said = str(failed.value)
    assert "`seq 30 >&2; sh -c 'exit 4'` ended with status 4" in said
    assert "| 1\n" in said
    whole = "".join(f"{number}\n" for number in range(1, 31)).encode()
    assert f"[20 lines left out; all of it: {len(whole)} bytes, SHA-256 {sha256(whole).hexdigest()}]" in said
    assert "| 30\n" in said
    assert failed.value.status == 4
    again = pickle.loads(pickle.dumps(failed.value))  # noqa: S301  as out of a batch worker
    assert (str(again), again.status, again.stderr) == (said, 4, failed.value.stderr)


def test_end_by_a_signal_is_a_failure_of_its_own(host: remote.Host) -> None:
    with pytest.raises(CommandFailed, match="was ended by a signal"):
        host.run("kill -9 $$")


def test_deadline_ends_the_wait_and_names_the_command(host: remote.Host) -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"`sleep 60` did not end within 0\.5 s; it may still run"):
        host.run("sleep 60", timeout_s=0.5)
    assert time.monotonic() - started < 20
    assert host.run("echo on").text == "on"


@pytest.mark.parametrize("root", [False, True])
def test_what_a_command_said_before_its_time_was_over_is_kept(
    host: remote.Host, root: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeadlineExceeded, match=r"Until then it said:") as late:
        host.run("echo out; echo err >&2; exec >&-; sleep 60", root=root, timeout_s=2.0)
    assert (late.value.stdout, late.value.stderr) == (b"out\n", b"err\n")
    assert "| out" in str(late.value)
    assert "| err" in str(late.value)
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", "horse-in-halves")
    credentials.resolve("env:RUNBOOK_TEST_SECRET", "here")
    with pytest.raises(CommandFailed, match="half on each stream"):
        host.run("printf horse-in; printf -- -halves >&2; exit 1", root=root)


def test_endless_output_is_cut_off_with_its_beginning_kept(host: remote.Host) -> None:
    with pytest.raises(OutputTooLong, match="`yes` wrote more than 1,000,000 bytes") as cut:
        host.run("yes", limit_bytes=1_000_000)
    assert cut.value.stdout.startswith(b"y\ny\n")
    assert host.run("echo on").text == "on"


def test_child_that_stays_does_not_keep_the_caller(host: remote.Host) -> None:
    started = time.monotonic()
    assert host.run("sleep 20 & echo started").text == "started"
    assert time.monotonic() - started < 15


def test_programs_of_sbin_are_found_without_root(host: remote.Host) -> None:
    assert host.run("command -v sshd").text == "/usr/sbin/sshd"


def test_messages_are_in_english_whatever_the_host_speaks(host: remote.Host) -> None:
    assert host.run("echo $LC_ALL").text == "C"
    assert host.run("echo $LC_ALL", root=True).text == "C"


def test_greeting_of_a_login_shell_is_not_output(lab: Lab, host: remote.Host) -> None:
    lab.exec(host.name, "sed -i '1i echo greeting; echo greeting >&2' /home/kanri/.bashrc")
    try:
        for root in (False, True):
            result = host.run("echo output; echo error >&2", root=root)
            assert (result.stdout, result.stderr) == (b"output\n", b"error\n")
    finally:
        lab.exec(host.name, "sed -i 1d /home/kanri/.bashrc")


@pytest.mark.parametrize("root", [False, True])
def test_tmp_that_is_full_and_noexec_does_not_matter(lab: Lab, host: remote.Host, root: bool) -> None:
    """Nothing is executed from there, and nothing written."""
    process = (
        podman("inspect", "--format", "{{.State.Pid}}", lab.host(host.name).container).stdout.decode().strip()
    )

    def mount(options: str) -> None:
        subprocess.run(
            ["nsenter", "-t", process, "-m", "mount", "-o", f"remount,{options}", "/tmp"],
            check=True,
            timeout=10,
        )

    mount("noexec,size=64k")
    try:
        lab.exec(host.name, "cat /dev/zero >/tmp/fill 2>/dev/null || :")
        assert b"No space" in host.run("echo x | tee /tmp/of-kanri", check=False).stderr
        result = host.run("cat; cat <<END\n" + "x" * 100_000 + "\nEND\n", root=root, stdin=b"payload\n")
        assert result.stdout == b"payload\n" + b"x" * 100_000 + b"\n"
        # bash lays a here-document aside as a file, apt what it verifies: neither may need /tmp.
        in_bash = "bash -c 'cat <<END\n" + "x" * 100_000 + "\nEND'"
        assert host.run(in_bash, root=root).stdout == b"x" * 100_000 + b"\n"
        if root:
            host.run(
                "rm -rf /root/l; mkdir /root/l; apt-get -q -o Dir::State::lists=/root/l update", root=True
            )
    finally:
        lab.exec(host.name, "rm -rf /tmp/fill /tmp/of-kanri /root/l")
        mount("exec,size=50%")


def test_home_that_cannot_be_written_to_does_not_matter(lab: Lab, host: remote.Host) -> None:
    inspected = podman("inspect", "--format", "{{.State.Pid}}", lab.host(host.name).container)
    inside = ["nsenter", "-t", inspected.stdout.decode().strip(), "-m", "-p"]
    for words in (("--bind", "/home/kanri", "/home/kanri"), ("-o", "remount,bind,ro", "/home/kanri")):
        subprocess.run([*inside, "mount", *words], check=True, timeout=10)
    try:
        host.close()  # the login itself, too
        assert host.run("touch ~/x 2>&1 || id -u", check=False).text.endswith("Read-only file system\n1000")
        assert host.run("id -u", root=True).text == "0"
    finally:
        host.close()
        subprocess.run([*inside, "umount", "-l", "/home/kanri"], check=True, timeout=10)


def test_login_shells_that_are_no_posix_shell(lab: Lab) -> None:
    """csh and fish read the one line that the login shell gets as sh does."""
    with connected(lab, "debian12") as host:
        host.run(
            "apt-get -qq update && apt-get -qq install -y --no-install-recommends csh fish tcsh >/dev/null",
            root=True,
            timeout_s=240,
        )
        payload = b'it\'s \\ a "$payload" with ! in it\n'
        try:
            for shell in ("/usr/bin/fish", "/bin/bsd-csh", "/usr/bin/tcsh", "/bin/dash"):
                lab.exec("debian12", f"usermod -s {shell} kanri")
                host.close()  # sshd asks for the shell at login
                assert host.run("id -un; cat", stdin=payload).stdout == b"kanri\n" + payload
                assert host.run("id -un; cat", stdin=payload, root=True).stdout == b"root\n" + payload
            lab.exec("debian12", "usermod -s /usr/sbin/nologin kanri")
            host.close()
            with pytest.raises(HostUnreachable, match="does not run commands; it said: This account"):
                host.run("id")
            with pytest.raises(HostUnreachable, match="does not run commands; it said: This account"):
                host.run("id", root=True)  # it was not sudo that was run
        finally:
            lab.exec("debian12", "usermod -s /bin/bash kanri")
