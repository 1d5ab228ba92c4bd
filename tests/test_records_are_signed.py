"""Runs are signed with keys that administrators have; one that cannot be signed is kept, and said to be unsigned."""

import os
import pwd
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import command_line
import pytest
import tampering
from fake_chapters import ReachedHost, without_host, write_inventory
from remote_hosts import wait_until
from tampering import KANRI, KANSA, LAST, PLAN

from runbook_lib import inventory
from runbook_lib.chapters.chapter import Chapter, sealed_by_hand
from runbook_lib.errors import ApplyRefused, RecordNotSigned, UsageError
from runbook_lib.records import model, origin, seal, signers, signing, verification
from runbook_lib.records.publish import publish
from runbook_lib.remote.change import Change, Plan

Policy = Callable[[str], None]


@pytest.fixture
def policy(tmp_path: Path) -> Iterator[Policy]:
    """Lets an inventory be in use that wants this of signatures."""

    def use(signing: str) -> None:
        path = write_inventory(tmp_path, "mail1", site=f"records: {{signing: {signing}}}")
        origin.use(inventory.load(str(path)))

    yield use
    use("off")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir()
    for name in ("kanri", "kansa", "former"):
        tampering.make_key(tmp_path / "keys" / name)
    return tmp_path / "keys"


def line(keys: Path, who: str, name: str, namespace: str, options: str = "") -> str:
    public = (keys / f"{name}.pub").read_text(encoding="ascii").strip()
    return f'{who} namespaces="{namespace}"{options} {public}\n'


@pytest.fixture
def root(tmp_path: Path, keys: Path) -> Path:
    """Records with a list of signers: one who signs runs, one whose key has ended, one who keeps the list."""
    listed = tmp_path / "list"
    listed.write_text(
        line(keys, KANRI, "kanri", signers.RUN)
        + line(keys, KANRI, "former", signers.RUN, ',valid-before="20200101"')
        + line(keys, KANSA, "kansa", signers.CHANGE)
    )
    with tampering.signing_with(keys / "kansa"):
        signing.replace_signers(tmp_path / "records", listed)
    return tmp_path / "records"


def test_without_a_policy_nothing_is_signed_and_nothing_is_wrong(root: Path, keys: Path) -> None:
    tampering.record(root, PLAN)
    with tampering.signing_with(keys / "kanri"):
        kept = signing.keep(root, PLAN)
    assert (kept.signed_by, kept.unsigned) == ("", "")
    assert verification.check(root / PLAN).holds
    assert not (root / PLAN / seal.SIGNATURE).exists()


@pytest.mark.parametrize("name", ["former", "kansa", "nobody"])
def test_a_run_that_cannot_be_signed_is_kept_and_signed_later(
    name: str, root: Path, keys: Path, policy: Policy
) -> None:
    policy("offered")
    tampering.record(root, PLAN)
    with tampering.signing_with(keys / name):
        kept = signing.keep(root, PLAN)
    assert kept.signed_by == ""
    assert kept.unsigned
    assert f"runbook records sign {PLAN}" in kept.told
    told = f"(sealed, unsigned; runbook records sign {PLAN} signs it)"
    assert verification.check(root / PLAN).report().endswith(told)
    with tampering.signing_with(keys / "kanri"):
        signing.sign_anew(root, PLAN, signing.find_key(root))
    assert verification.check(root / PLAN).signed_by.startswith(f"{KANRI} with ED25519 key SHA256:")
    assert (root / PLAN / "run.json.1").exists(), "that it was signed late does not show"


def test_a_key_that_is_locked_and_nobody_to_ask_leaves_a_run_unsigned(
    root: Path, keys: Path, policy: Policy
) -> None:
    policy("offered")
    tampering.record(root, PLAN)
    (keys / "kanri").write_text("no key any more\n")
    with tampering.signing_with(keys / "kanri"):
        kept = signing.keep(root, PLAN)
    assert kept.unsigned.startswith(f"not signed by {KANRI}: ")
    assert verification.check(root / PLAN).holds


def not_a_list(path: Path) -> None:
    path.write_text("kanri may sign\n")


@pytest.mark.parametrize("spoil", [not_a_list, Path.mkdir])
def test_a_list_of_signers_that_cannot_be_read_leaves_a_run_unsigned(
    spoil: Callable[[Path], None], root: Path, keys: Path, policy: Policy
) -> None:
    policy("offered")
    tampering.record(root, PLAN)
    (root / "signers.1").unlink()
    spoil(root / "signers.1")
    with tampering.signing_with(keys / "kanri"):
        kept = signing.keep(root, PLAN)
    assert kept.unsigned.startswith("the list of signers ")
    assert "signers.1" in kept.told
    assert seal.read_statement(root / PLAN).operator.principal is None
    policy("required")
    with tampering.signing_with(keys / "kanri"), pytest.raises(RecordNotSigned, match=r"signers\.1"):
        signing.refuse_unsigned(root)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An agent of its own, without a key."""
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    wait_until(path.exists)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    monkeypatch.delenv("RUNBOOK_SIGN_KEY", raising=False)
    yield
    process.terminate()
    process.wait(timeout=10)


def add_to_agent(*keys: Path) -> None:
    """An agent has the keys from now on, and nobody else: their files are gone."""
    subprocess.run(["ssh-add", "-q", *keys], check=True, timeout=10)
    for key in keys:
        key.unlink()


@pytest.mark.usefixtures("agent")
def test_an_agent_signs_with_the_key_that_may(root: Path, keys: Path, policy: Policy) -> None:
    policy("required")
    with pytest.raises(RecordNotSigned, match="no agent has a key"):
        signing.refuse_unsigned(root)
    add_to_agent(keys / "former", keys / "kansa", keys / "kanri")
    signing.refuse_unsigned(root)
    tampering.record(root, PLAN)
    kept = signing.keep(root, PLAN)
    assert (kept.signed_by, kept.unsigned) == (KANRI, "")
    found = verification.check(root / PLAN)
    assert found.holds
    assert found.signed_by.startswith(f"{KANRI} with ED25519 key SHA256:")
    new = root.parent / "new"
    new.write_text((root / "signers.1").read_text() + "# more\n")
    assert signing.replace_signers(root, new) == (root / "signers.2", KANSA)
    assert verification.check_all(root).holds


@pytest.mark.usefixtures("agent")
def test_an_agent_that_lost_the_key_meanwhile_leaves_a_run_unsigned(
    root: Path, keys: Path, policy: Policy
) -> None:
    policy("offered")
    add_to_agent(keys / "kanri")
    tampering.record(root, PLAN)
    key = signing.find_key(root)
    subprocess.run(["ssh-add", "-D"], check=True, capture_output=True, timeout=10)
    publish(root, PLAN, principal=key.principal)
    with pytest.raises(RecordNotSigned, match=f"not signed by {KANRI}: "):
        signing.sign(root, PLAN, key)
    assert signing.keep(root, PLAN).unsigned.startswith("no agent has a key that the list of signers allows")


def test_an_agent_that_does_not_answer_leaves_a_run_unsigned(
    root: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy("offered")
    tampering.record(root, PLAN)
    monkeypatch.setattr(signing, "_TIMEOUT_S", 0.5)
    monkeypatch.delenv("RUNBOOK_SIGN_KEY", raising=False)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "agent"))
        silent.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        kept = signing.keep(root, PLAN)
    assert kept.unsigned == "ssh-add did not answer in 0.5 s"


def test_where_it_is_required_a_run_without_a_signature_does_not_hold(
    root: Path, keys: Path, policy: Policy
) -> None:
    policy("required")
    with tampering.signing_with(keys / "former"), pytest.raises(RecordNotSigned, match="not now") as refused:
        signing.refuse_unsigned(root)
    assert "Nothing was changed." in str(refused.value)
    tampering.record(root, PLAN)
    publish(root, PLAN)
    assert verification.check(root / PLAN).signature == "there is none"
    with tampering.signing_with(keys / "kanri"):
        signing.refuse_unsigned(root)


@dataclass(frozen=True)
class Touch(Change):
    """A change that nothing is behind."""

    title: str = "/etc/x is there"
    thing: str = "/etc/x"

    def diff(self) -> str:
        return "+x\n"

    def commands(self) -> str:
        return "touch /etc/x\n"


def chapter(root: Path, run: str) -> Chapter:
    """A chapter at its first change, on a host that does not exist."""
    return without_host(tampering.record(root, run, mode="apply", end=False))


def test_a_chapter_outside_a_batch_reaches_no_host_without_the_signature_that_is_required(
    root: Path, keys: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(root))
    plan = Plan("Files", (Touch(),))
    policy("required")
    refused = chapter(root, PLAN)
    with tampering.signing_with(keys / "former"):
        assert "already so" in refused.apply(Plan("Files")).text()
        with pytest.raises(RecordNotSigned, match="Nothing was changed"):
            refused.apply(plan)
        with pytest.raises(ApplyRefused, match="an earlier step"):
            refused.apply(plan)
    record = model.read(refused.record.path)
    assert (record.outcome, record.error and record.error.type) == ("failed", "RecordNotSigned")
    assert seal.read_statement(root / PLAN).hosts["mail12"].outcome == "failed"
    with tampering.signing_with(keys / "kanri"), pytest.raises(ReachedHost):
        chapter(root, LAST).apply(plan)


@pytest.mark.parametrize(
    ("signing", "chapters"), [("off", ""), ("offered", ""), ("required", "11-key-and-csr")]
)
def test_a_chapter_asks_for_no_key_where_none_is_required_or_the_batch_did(
    signing: str, chapters: str, root: Path, keys: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(root))
    monkeypatch.setenv("RUNBOOK_CHAPTERS", chapters)
    policy(signing)
    with tampering.signing_with(keys / "former"), pytest.raises(ReachedHost):
        chapter(root, PLAN).apply(Plan("Files", (Touch(),)))


@pytest.mark.parametrize("mode", ["plan", "apply"])
def test_a_run_by_hand_is_sealed_and_signed_when_its_chapter_ends(
    mode: str, root: Path, keys: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(root))
    policy("offered")
    record = tampering.record(root, PLAN, mode=mode)
    with tampering.signing_with(keys / "kanri"):
        monkeypatch.setenv("RUNBOOK_CHAPTERS", "11-key-and-csr")  # a batch, which seals at its own end
        assert sealed_by_hand(record) == ""
        assert not (root / PLAN / seal.SUMS).exists()
        monkeypatch.delenv("RUNBOOK_CHAPTERS")
        assert sealed_by_hand(record).endswith(f", signed by {KANRI}")
    assert verification.check(root / PLAN).signed_by.startswith(f"{KANRI} with ED25519 key SHA256:")


def test_a_chapter_by_hand_ends_well_where_its_run_cannot_be_sealed(
    root: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(root))
    policy("off")
    record = tampering.record(root, PLAN)
    sealed_by_hand(record)
    (record.path.parent / "x").symlink_to("/etc/hosts")
    assert sealed_by_hand(record) == "not sealed: is no file, so nothing can vouch for it"


def test_a_cell_that_is_run_again_adds_to_a_record_and_what_was_sealed_stays(
    root: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(root))
    policy("off")
    record = tampering.record(root, PLAN)
    sealed = record.path.read_bytes()
    sealed_by_hand(record)
    record.add_note("asked again")
    record.add_note("and again")
    sealed_by_hand(record)
    assert verification.check(root / PLAN).holds
    assert [path.read_bytes() for path in record.path.parent.glob("*.1.json")] == [sealed]
    assert not list(record.path.parent.glob("*.2.json"))


def test_where_nobody_typed_a_command_nobody_is_asked_for_a_passphrase(
    root: Path, keys: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy("offered")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "geheim", "-f", keys / "kanri"], check=True)
    asked = tmp_path / "askpass"
    asked.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\necho geheim\n")
    asked.chmod(0o700)
    monkeypatch.setenv("SSH_ASKPASS", str(asked))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.setenv("DISPLAY", ":0")
    tampering.record(root, PLAN)
    with tampering.signing_with(keys / "kanri"):
        kept = signing.keep(root, PLAN, asking=False)
        assert kept.unsigned.startswith(f"not signed by {KANRI}: ")
        assert f"runbook records sign {PLAN}" in kept.told
        assert not (tmp_path / "asked").exists()
        assert signing.keep(root, PLAN).signed_by == KANRI
    assert (tmp_path / "asked").exists()


def test_where_nobody_typed_a_command_nobody_is_asked_for_a_touch() -> None:
    key = signing.Key(KANRI, "sk-ssh-ed25519@openssh.com AAAA", None)
    with pytest.raises(RecordNotSigned, match="wants a touch"):
        signing.signature(b"x", key, asking=False)


@pytest.mark.usefixtures("agent")
def test_an_agent_that_asks_a_person_is_not_waited_for_where_nobody_typed_a_command(
    root: Path, keys: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy("offered")
    monkeypatch.setattr(signing, "_UNASKED_S", 0.5)
    add_to_agent(keys / "kanri")
    monkeypatch.setenv("PATH", f"{slow_ssh_keygen(keys)}:{os.environ['PATH']}")
    tampering.record(root, PLAN)
    kept = signing.keep(root, PLAN, asking=False)
    assert "ssh-keygen did not answer in 0.5 s" in kept.unsigned
    assert verification.check(root / PLAN).holds


def slow_ssh_keygen(folder: Path) -> Path:
    """A folder with an ssh-keygen that waits for an agent, which waits for a person."""
    folder = folder / "slow"
    folder.mkdir()
    (folder / "ssh-keygen").write_text("#!/bin/sh\nexec sleep 600\n")
    (folder / "ssh-keygen").chmod(0o700)
    return folder


def test_the_list_is_changed_by_who_keeps_it_alone(root: Path, keys: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    now = (root / "signers.1").read_text()
    new.write_text(now + "# more\n")
    with tampering.signing_with(keys / "kanri"), pytest.raises(RecordNotSigned):
        signing.replace_signers(root, new)
    with tampering.signing_with(keys / "kansa"):
        new.write_text(now.replace("kanri@", "dareka@"))
        with pytest.raises(UsageError, match="is not in it any more"):
            signing.replace_signers(root, new)
        new.write_text(now + "# more\n")
        assert signing.replace_signers(root, new) == (root / "signers.2", KANSA)
    assert verification.check_all(root).holds


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{kanri} ssh-ed25519 AAAA\n", "is no line of a list of signers"),
        ('{kanri} namespaces="run@runbook",valid-after="20260101Z" ssh-ed25519 AAAA\n', "is no line"),
        ('{kanri} namespaces="run@runbook,signers@runbook" ssh-ed25519 AAAA\n', "and change who may"),
        ('{kanri} namespaces="run@runbook" ssh-ed25519 AAAA\n', "nobody in it may change it later"),
        ('*@example.test namespaces="signers@runbook" ssh-ed25519 AAAA\n', "is no line"),
    ],
)
def test_a_list_that_lets_too_much_is_refused(written: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        signers.parse(written.format(kanri=KANRI).encode(), "list")


def test_the_environment_does_not_say_who_the_operator_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "dareka")
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert origin.operator() == pwd.getpwuid(os.geteuid()).pw_name


def test_the_cas_commands_leave_runs_and_the_ledger_names_no_other(tmp_path: Path) -> None:
    path = write_inventory(tmp_path, "mail1")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("ca: {", f"ca: {{directory: {tmp_path / 'ca'}, "), encoding="utf-8")

    def runbook(*words: str) -> str:
        done = command_line.runbook(
            *words, "--inventory", str(path), cwd=tmp_path,
            environment={"RUNBOOK_RECORDS": str(tmp_path / "records"), "RUNBOOK_RUN": ""},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    runbook("ca", "init")
    runbook("ca", "crl")
    site = verification.check_all(tmp_path / "records")
    assert site.holds, site
    kinds = [seal.read_statement(tmp_path / "records" / run.run).kind for run in site.runs]
    assert kinds == ["ca", "ca"]
    listed = runbook("records", "list")
    assert "own-ca: The own CA made" in listed
    assert "own-ca: Lists of revoked certificates made" in listed
