"""What a look asks once for several facts is what each would have been told: the same words, and never yesterday's."""

import subprocess
from pathlib import Path, PurePosixPath

import pytest

from runbook_lib.mail.configuration import asked_once
from runbook_lib.remote.files import FUNCTIONS, looks

# A postconf whose answers are files, and which writes down that it was started.
_POSTCONF = """#!/bin/sh
printf "%s\\n" "$*" >> "$HERE/started"
cat "$HERE/warns" >&2
case $1 in -m) echo hash; exit ;; esac
if grep -q "^postconf: fatal: file " "$HERE/warns"; then exit 1; fi
kind=$1
shift
case $kind in
-n | -M) cat "$HERE/main.cf" ;;
*) for name; do
    grep -q "^$name " "$HERE/main.cf" || { echo "postconf: warning: $name: unknown parameter" >&2; continue; }
    sed -n "s/^$name = *//p" "$HERE/main.cf"
  done ;;
esac
exit "$(cat "$HERE/status")"
"""
_COMMANDS = (
    "postconf -h myhostname",
    "postconf -hx mynetworks 2>/dev/null || postconf -h mynetworks",
    "postconf -hx relay_domains myhostname",
    "postconf -h mynetworks relay_domains",
    "postconf -n",
    "postconf -n 2>&1 > /dev/null",
    "postconf -h nobody_knows 2>&1",
)
_SHELLS = (("dash",), ("bash", "--posix"))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with that postconf, first in the PATH."""
    program = tmp_path / "postconf"
    program.write_text(_POSTCONF)
    program.chmod(0o755)
    (tmp_path / "main.cf").write_text(
        "myhostname = mail.example.test\nmynetworks = 127.0.0.0/8 [::1]/128\nrelay_domains =\n"
    )
    (tmp_path / "warns").write_text("")
    (tmp_path / "status").write_text("0")
    return tmp_path


def _said(here: Path, shell: tuple[str, ...], commands: tuple[str, ...], once: bool) -> tuple[str, int]:
    """What the commands say, each in a subshell as in a look, with status and errors; and how often postconf began."""
    each = "\n".join(f'( {command} ) 2>&1; echo "status $?"' for command in commands)
    begun = asked_once.lines(commands) if once else ""
    started = here / "started"
    started.write_text("")
    environment = {"PATH": f"{here}:/usr/bin:/bin", "HERE": str(here), "LC_ALL": "C"}
    done = subprocess.run(
        [*shell, "-c", f"{begun}\n{each}"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout, len(started.read_text().splitlines())


@pytest.mark.parametrize("shell", _SHELLS)
def test_a_fact_is_told_the_same(here: Path, shell: tuple[str, ...]) -> None:
    known = _COMMANDS[:-1]
    alone, started_alone = _said(here, shell, known, once=False)
    together, started = _said(here, shell, known, once=True)
    assert together == alone
    assert (started_alone, started) == (6, 3)


@pytest.mark.parametrize("shell", _SHELLS)
@pytest.mark.parametrize("odd", ["unknown name", "warning", "status", "no line end", "not there"])
def test_what_has_more_to_say_is_asked_by_each(here: Path, shell: tuple[str, ...], odd: str) -> None:
    """An unknown name leaves out a line; taken for a line of its own, the warning would be another name's value."""
    match odd:
        case "warning":
            (here / "warns").write_text("postconf: warning: main.cf, line 3: overriding earlier entry\n")
        case "status":
            (here / "status").write_text("1")
        case "no line end":
            (here / "main.cf").write_text("myhostname = a\nmynetworks = b\nrelay_domains = c")
        case "not there":
            (here / "postconf").unlink()
    commands = _COMMANDS if odd == "unknown name" else _COMMANDS[:-1]
    alone, _ = _said(here, shell, commands, once=False)
    together, _ = _said(here, shell, commands, once=True)
    if odd == "not there":  # the shell names the line of the script in which it found no such program
        assert together.count("status 127") == alone.count("status 127") == len(commands)
        return
    assert together == alone


@pytest.mark.parametrize("shell", _SHELLS)
def test_a_file_that_cannot_be_read_is_asked_for_once(here: Path, shell: tuple[str, ...]) -> None:
    """Each start of a real postconf(1) waits a second before it says so, and a look has dozens."""
    (here / "warns").write_text("postconf: fatal: file /etc/postfix/master.cf: line 16: bad field count\n")
    commands = (*_COMMANDS, "postconf -m", "sh -c 'postconf -m'")
    alone, started_alone = _said(here, shell, commands, once=False)
    together, started = _said(here, shell, commands, once=True)
    assert together == alone
    assert (started_alone, started) == (10, 3)
    (here / "warns").write_text("")
    assert "fatal" not in _said(here, shell, commands, once=True)[0]


@pytest.mark.parametrize("shell", _SHELLS)
def test_the_next_look_asks_anew(here: Path, shell: tuple[str, ...]) -> None:
    """Somebody else changes main.cf between two looks: nothing of the first is in the second."""
    _said(here, shell, _COMMANDS[:-1], once=True)
    (here / "main.cf").write_text(
        "myhostname = other.example.test\nmynetworks = 192.0.2.0/24\nrelay_domains = x\n"
    )
    told, _ = _said(here, shell, _COMMANDS[:-1], once=True)
    assert "mail.example.test" not in told
    assert told.count("other.example.test") == 3


def test_names_in_a_command_of_somebody_else_are_none_of_postconf() -> None:
    assert asked_once.lines(["postconf -h myhostname", "getconf -h mynetworks"]) == ""
    assert "ask_settings" not in asked_once.lines(["postconf -n", "postconf -n myhostname", "postconf -nx"])


@pytest.mark.parametrize("shell", _SHELLS)
def test_a_path_is_the_same_whether_asked_ahead_or_not(tmp_path: Path, shell: tuple[str, ...]) -> None:
    (tmp_path / "a file").write_bytes(b"\0\xff\n")
    (tmp_path / "a file.2").write_text("longer name with the same beginning")
    (tmp_path / "folder").mkdir(mode=0o750)
    (tmp_path / "link").symlink_to("a file")
    (tmp_path / "leads nowhere").symlink_to("gone")
    paths = [
        tmp_path / name
        for name in ("a file", "a file.2", "folder", "link", "leads nowhere", "absent", "folder/b")
    ]
    commands = "\n".join(looks(map(PurePosixPath, paths)).values())
    quoted = " ".join(f"'{path}'" for path in paths)
    said = [
        subprocess.run(
            [*shell, "-c", f"{FUNCTIONS}\n{ahead}\n{commands}"], capture_output=True, check=True, timeout=60
        ).stdout
        for ahead in ("", f"look_ahead {quoted}")
    ]
    assert said[0] == said[1]
    assert b"absent" in said[0]
    assert b"dir 750" in said[0]


@pytest.mark.parametrize("shell", _SHELLS)
def test_what_changed_since_it_was_asked_ahead_is_told_by_the_next_look(
    tmp_path: Path, shell: tuple[str, ...]
) -> None:
    path = tmp_path / "main.cf"
    path.write_text("before")
    script = f"{FUNCTIONS}\nlook_ahead '{path}'\n{next(iter(looks([PurePosixPath(path)]).values()))}"

    def look() -> bytes:
        return subprocess.run([*shell, "-c", script], capture_output=True, check=True, timeout=60).stdout

    first = look()
    path.write_text("after")
    assert look() != first
