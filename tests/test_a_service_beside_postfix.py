"""A second mail service is a package beside `mail`: what a rollback has to know of it is a value that it hands down."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from runbook_lib.families.debian import DEBIAN
from runbook_lib.families.enterprise_linux import ENTERPRISE_LINUX
from runbook_lib.families.family import Family
from runbook_lib.families.package_managers import APT
from runbook_lib.mail.target.packages import traces
from runbook_lib.remote.journal import FUNCTIONS
from runbook_lib.remote.system import PackagesChange, Traces

LIBRARY = Path(__file__).resolve().parents[1] / "runbook_lib"
GROUND = ("remote", "records", "batch", "engine")
OF_A_MAIL_SERVER = re.compile(
    r"postfix|postconf|postqueue|postsuper|smtpd|sasl|sendmail|dovecot|maildrop|(main|master)\.cf|\baliases\b|\bmta\b",
    re.IGNORECASE,
)


def told_of_a_mail_server(folder: Path) -> Iterator[str]:
    """Lines that name one, in whatever is a text there."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if OF_A_MAIL_SERVER.search(line):
                    yield f"{path.relative_to(folder)}:{number}: {line.strip()}"


@pytest.mark.parametrize("name", GROUND)
def test_the_ground_floor_knows_no_mail_server(name: str) -> None:
    assert list(told_of_a_mail_server(LIBRARY / name)) == []


def test_one_that_is_named_there_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "packages.sh").write_text("queued() {\n    find /var/spool/postfix -type f\n}\n")
    assert list(told_of_a_mail_server(tmp_path)) == ["packages.sh:2: find /var/spool/postfix -type f"]


@pytest.mark.parametrize("family", [DEBIAN, ENTERPRISE_LINUX], ids=lambda family: family.name)
def test_postfix_is_handed_down_as_a_value(family: Family) -> None:
    """Every function that packages.sh asks a service for is there, and what it says is the family's."""
    shared = (LIBRARY / "remote" / "packages.sh").read_text() + "".join(
        path.read_text() for path in (LIBRARY / "remote").glob("packages.*.sh")
    )
    asked = set(re.findall(r"of_services ([a-z]+)", shared)) | set(
        re.findall(r"\{_(?:of|service)\}_([a-z]+)", shared)
    )
    assert asked == {
        "package", "settings", "paths", "folders", "remade", "purged", "keeps", "stopped", "rest", "strange",
    }  # fmt: skip
    script = traces(family).shell + "".join(f"\ncommand -v postfix_{word}" for word in sorted(asked))
    script += "\npostfix_paths\npostfix_folders\npostfix_remade\npostfix_purged sasl2-bin"
    said = subprocess.run(
        ["sh", "-eu", "-c", script], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    remade = [path for path in map(str, family.script_paths) if path.startswith("/etc/aliases.")]
    assert len(remade) == 2
    assert said[: len(asked)] == [f"postfix_{word}" for word in sorted(asked)]
    assert said[len(asked) : -1] == [
        *map(str, family.script_paths), *map(str, family.folders_left), *remade,
        *map(str, family.purged.get("sasl2-bin", ())),
    ]  # fmt: skip


# A package manager whose database is a file, and which installs and removes files: what packages.sh asks one for.
MUP = """
packages_now() { cat "$ROOM/installed"; }
packages_lock() { say "$ROOM/lock"; }
packages_litter() { :; }
packages_brought() { say popd; }
packages_known() { :; }
packages_half() { :; }
packages_settings() { :; }
packages_mend() { :; }
packages_going() { say "$@"; }
packages_files() { say "$ROOM/bin/popd"; }
packages_own() { [ "$1" = "$ROOM/bin/popd" ]; }
packages_overwrite() { :; }
packages_changed() { :; }
packages_remove() { rm "$ROOM/bin/popd"; : > "$ROOM/installed"; }
packages_settled() {
    for _package in $(cat "$J/$1.brought"); do
        _of=$(service_of "$_package")
        if [ -z "$_of" ]; then continue; fi
        "${_of}_strange" > "$J/$1.strange.log"
        while IFS= read -r _path; do kept "$_path: made by somebody else"; done < "$J/$1.strange.log"
    done
}
"""
# As its package would: a file that it installs, a key that its script makes, a line in a file that was there.
INSTALL = """
mkdir -p etc/popd run/popd; : > bin/popd; echo popd > installed; echo key > etc/popd/key.pem; echo added >> etc/services
echo index > etc/popd/index
"""
POPD = """
popd_keeps() {
    if [ -n "$(ls "$ROOM/spool")" ]; then say "mail is in its boxes, and removing popd would destroy it"; fi
}
popd_stopped() { rm -f "$ROOM/run/popd/socket"; }
popd_rest() { rm -f "$ROOM/etc/popd/index"; }
popd_strange() { find "$ROOM/etc/popd" -type f ! -name key.pem; }
boxes_back() { :; }
boxes_hold() { :; }
"""


class Scene:
    """A made-up service in a folder, installed as a run's first change, and put back."""

    def __init__(self, room: Path) -> None:
        self.room, self.journal = room, room / "journal"
        for name in ("bin", "etc", "spool", "run", "journal"):
            (room / name).mkdir()
        (room / "etc" / "services").write_text("before\n")
        (room / "installed").write_text("")
        (room / "lock").touch()
        path = PurePosixPath(room)
        popd = Traces(
            service="popd",
            package="popd",
            settings=path / "etc" / "popd",
            paths=tuple(path / "etc" / name for name in ("popd/key.pem", "popd/index", "services")),
            folders=(path / "run" / "popd", path / "etc" / "popd"),
            remade=(path / "etc" / "popd" / "index",),
            purged={},
            functions=POPD,
        )
        self.functions = PackagesChange(("popd",), APT, traces=popd).functions
        (self.journal / "journal.sh").write_text(FUNCTIONS)
        for name, text in self.functions.items():
            (self.journal / f"functions.{name}.sh").write_text(text + (MUP if name == "packages" else ""))

    def sh(self, script: str, *, cwd: Path | None = None) -> str:
        begin = (
            f'ROOM={self.room} J={self.journal} N=001; export ROOM; for _f in "$J"/*.sh; do . "$_f"; done\n'
        )
        done = subprocess.run(
            ["sh", "-c", begin + script],
            cwd=cwd or self.room,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stderr == ""
        return done.stdout

    def install(self) -> None:
        self.sh(
            'set -e\npackages_brought > "$J/$N.brought"\npackages_note "$N"'
            + INSTALL
            + 'packages_made "$N"; : > "$J/$N.done"'
        )
        (self.room / "run" / "popd" / "socket").touch()

    def back(self, left_alone: str = "") -> list[str]:
        return self.sh(f"left_alone={left_alone}; packages_back $N").replace(str(self.room), "").splitlines()

    @property
    def files(self) -> set[str]:
        return {
            str(one.relative_to(self.room))
            for one in self.room.rglob("*")
            if self.journal not in (one, *one.parents)
        }


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_made_up_service_goes_and_what_was_there_comes_back(scene: Scene) -> None:
    before = scene.files
    scene.install()
    assert {"bin/popd", "etc/popd/key.pem", "run/popd/socket"} <= scene.files - before
    assert scene.back() == ["PUT BACK packages: removed popd", "PUT BACK /etc/services"]
    assert scene.files == before
    assert (scene.room / "etc" / "services").read_text() == "before\n"


def test_what_it_may_not_go_for_is_its_own_word(scene: Scene) -> None:
    scene.install()
    (scene.room / "spool" / "hanako").touch()
    assert scene.back() == ["KEPT packages: mail is in its boxes, and removing popd would destroy it"]
    assert "bin/popd" in scene.files


def test_what_others_made_below_its_settings_stays_and_is_named(scene: Scene) -> None:
    scene.install()
    (scene.room / "etc" / "popd" / "users").touch()
    edited = scene.room / "etc" / "popd" / "key.pem"
    edited.write_text("another")
    (scene.room / "etc" / "popd" / "index").write_text("made anew")
    assert scene.back() == [
        "PUT BACK packages: removed popd",
        "KEPT /etc/popd/key.pem: changed since the install",
        "PUT BACK /etc/services",
        "KEPT /etc/popd/users: made by somebody else",
    ]
    assert "etc/popd/index" not in scene.files


def test_a_setting_of_it_that_was_left_alone_holds_its_packages(scene: Scene) -> None:
    scene.install()
    assert scene.back(str(scene.room / "etc" / "popd" / "users")) == [
        "KEPT packages: /etc/popd/users, which was left alone, would go with them"
    ]
    assert scene.back(str(scene.room / "etc" / "other"))[0] == "PUT BACK packages: removed popd"


def test_its_functions_outlive_packages_of_another_change(scene: Scene) -> None:
    """openssl, say, which chapter 1-1 may install later in the run, writes no file of the service's."""
    assert set(PackagesChange(("openssl",), APT).functions) == {"packages"}
    assert set(scene.functions) == {"packages", "packages-popd"}


def test_what_holds_up_a_rollback_is_asked_by_its_kind(scene: Scene) -> None:
    """undo.sh asks `boxes_hold` of each change that kept boxes, and no change without it."""
    scene.sh('for _n in 001 002; do : > "$J/$_n.begun"; say boxes_back $_n > "$J/$_n.undo"; done')
    scene.sh(': > "$J/002.boxes"; write_undo')
    undo = (scene.journal / "undo.sh").read_text()
    assert re.findall(r"; then ([a-z]+_hold \d+); fi", undo) == ["boxes_hold 002"]
    assert subprocess.run(["sh", "-n", scene.journal / "undo.sh"], check=False).returncode == 0
