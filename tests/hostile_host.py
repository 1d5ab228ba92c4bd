"""Targets: what a host says of itself and of its journals, and the files of an operator."""

import functools
import tempfile
from pathlib import Path, PurePosixPath
from typing import cast
from unittest import mock

import hostile_inputs as inputs
from hostile import SaidHost, Target, check_texts
from hostile_inputs import EVIL, answers, bent, encoded, numbers, words
from hypothesis import strategies as st

from runbook_lib import credentials, display, inventory
from runbook_lib.credentials import masking, reference
from runbook_lib.errors import RunbookError
from runbook_lib.families import known
from runbook_lib.inventory import names, plain, source
from runbook_lib.remote import Host, runs
from runbook_lib.remote.change import Plan
from runbook_lib.remote.facts import FACTS, gather
from runbook_lib.remote.files import FileChange, FileState
from runbook_lib.remote.journal import Journal
from runbook_lib.remote.rollback import rollback


@functools.cache
def folder() -> Path:
    """A folder in memory for what is read from files; each target writes its own names."""
    return Path(tempfile.mkdtemp(prefix="runbook-hostile.", dir="/dev/shm"))


def written(name: str, content: bytes) -> Path:
    """A file of one's own with these bytes."""
    path = folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def said_by(content: bytes, status: int = 0) -> Host:
    """The stand-in where a connection is expected."""
    return cast(Host, SaidHost(content, status))


def take_os_release(content: bytes) -> bool:
    """Only a release that is in the tables is taken, with a package manager that is there."""
    text = display.escape_bytes(content)
    family, release = known.find(text, "apt-get\ndnf", "mail1")
    said = known.read(text)
    assert said["VERSION_ID"].partition(".")[0] in family.releases, said
    check_texts((family.name, release.version_id, said.get("PRETTY_NAME", "")))
    return True


def same_either_way(content: bytes) -> bool:
    """What the shorter way reads, the longer one reads too, without a problem; returns whether it reads it at all."""
    try:
        values = plain.read(content)
    except plain.NotPlain:
        return False
    longer = source.read(content)
    assert longer.problems == []
    assert repr(values) == repr(longer.data)  # True is no 1, and a tuple no list
    return True


def take_inventory(content: bytes) -> bool:
    """What is taken has names in their one spelling, ports that are ports, and a reference where a secret is meant."""
    same_either_way(content)
    book = inventory.load(written("inventory.yaml", content))
    for host in book.hosts.values():
        assert 1 <= host.port <= 65535
        for name in (*host.names.all, book.site.domain):
            assert names.full_dns_name(name) == name
            assert name.isascii()
        assert host.certificate.key_passphrase.partition(":")[0] in reference.SCHEMES
        assert 1 <= host.certificate.renew_days < host.certificate.valid_days <= 398
        check_texts((host.name, host.address, host.user or "", book.where("hosts", host.name)))
    return True


def take_facts(content: bytes) -> bool:
    """One fact for each question, or none at all."""
    found = gather(said_by(content))
    assert list(found) == list(FACTS)
    check_texts(fact.value for fact in found.values())
    return True


def take_journals(content: bytes) -> bool:
    """What `runbook status` says of a host's journals; a run's id is one that may stand in a command."""
    standing = runs.look(said_by(content))
    for run in standing.runs:
        assert runs.ID.fullmatch(run.run)
        assert run.made >= 0
        check_texts((run.undo_command,))
    check_texts((standing.told, standing.if_left))
    return True


_CHANGE = FileChange(PurePosixPath("/etc/x"), None, FileState.wanted(b"x"))


def take_change(content: bytes) -> bool:
    """What a change answered: made, no longer as the plan saw it, or failed. The first byte is its status."""
    numbers_made: list[str] = []
    host = said_by(content[1:], status=content[0] if content else 0)
    journal = Journal(host, "20261101T000000Z-0000", "kanri", _lock=cast("None", object()))
    journal.apply(Plan("x", (_CHANGE,)), numbers_made)
    check_texts(numbers_made)
    return True


_RUN = "20261101T000000Z-0000"


class _Undone(SaidHost):
    """A host with a journal of that run, whose undo.sh says what is under test."""

    def run(self, script: str | bytes, **options: object) -> object:  # type: ignore[override]
        result = super().run(script, **options)
        if "undo.sh" in str(script) or "base64" in str(script):
            return result
        return type(result)(0, f"\0\0{_RUN}\0001\0001\0last\0\0000\0000\0\0".encode(), b"")

    def hold(self, *_: object, **__: object) -> object:
        return _Held()


class _Held:
    line = "LOCKED"

    def release(self) -> None:
        pass


def take_undo(content: bytes) -> bool:
    """What undo.sh said on the host, and the bytes of the three versions that are shown where it left something."""
    done = rollback(cast(Host, _Undone(content[1:], content[0] if content else 0)), _RUN, "kanri")
    check_texts(done.lines)
    return True


def take_secret(content: bytes) -> bool:
    """A secret's file: one line of UTF-8, one line end cut, its text in no message."""
    try:
        # What is resolved is masked in all that this process shows from then on; these are nobody's secrets.
        with mock.patch.dict(masking._resolved):
            secret = credentials.resolve(f"file:{written('secret', content)}", "mail1, sudo.password")
    except RunbookError as error:
        kept = content.strip().decode("utf-8", errors="replace")
        if len(kept) >= 4 and kept in str(error):
            raise AssertionError("the secret stands in the message") from None
        raise
    value = secret.reveal()
    assert value
    assert not set(value) & set("\0\r\n")
    assert value.encode() == content.removesuffix(b"\n").removesuffix(b"\r") or value.encode() == content
    return True


_facts = st.one_of(
    st.builds(
        lambda values: encoded("".join(map("{0}\0{1[0]}\0{1[1]}\0".format, FACTS, values))),
        st.tuples(*[st.tuples(st.sampled_from(("0", "1", "127")), words)] * len(FACTS)),
    ),
    answers(words, numbers, words),
)  # fmt: skip
_run_ids = st.one_of(st.just(_RUN), words)
_journals = answers(
    words,
    st.sampled_from(("yes", "")),
    *[
        *(_run_ids, numbers, st.one_of(st.just("2"), numbers), words, words),
        *(st.one_of(st.just("1"), numbers), st.one_of(st.just("1700000000"), numbers), words),
    ]
    * 2,
)
_statuses = st.sampled_from((b"\0", b"\0", b"\1", bytes([75])))
_told = st.lists(
    st.one_of(
        words,
        st.builds("{} {}".format, st.sampled_from(("NUMBER", "CHANGED", "PUT BACK", "NOT AS BEFORE", "KEPT")), words),
        st.sampled_from(("CONFLICT /etc/postfix/main.cf: changed since", "CONFLICT /: changed since", "YQ==", "YQ")),
    ),
    max_size=6,
).map(lambda lines: encoded("\n".join(lines)))  # fmt: skip
_secrets = st.one_of(
    st.text(max_size=20).map(encoded), st.binary(max_size=9), st.sampled_from(EVIL).map(encoded)
)

TARGETS = (
    Target("os-release", take_os_release, inputs.os_release),
    Target("inventory", take_inventory, st.one_of(inputs.inventory(), bent(inputs.inventory()))),
    Target("facts", take_facts, st.one_of(_facts, bent(_facts))),
    Target("journals", take_journals, st.one_of(_journals, bent(_journals))),
    Target("change", take_change, st.builds(bytes.__add__, _statuses, _told)),
    Target("undo", take_undo, st.builds(bytes.__add__, _statuses, st.one_of(_told, bent(_told)))),
    Target("secret", take_secret, _secrets),
)  # fmt: skip
