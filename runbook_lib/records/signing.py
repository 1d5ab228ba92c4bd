"""Signatures over a run's SHA256SUMS, made and checked by ssh-keygen(1) with the keys that administrators have.

Who may sign what, and from when to when, says the list of signers (`records.signers`). A signature itself tells no
time: it is judged at the time that the sealed statement gives. Everything is asked in UTC, since OpenSSH understands
a `Z` behind a time from 9.1 on only.
Source: ssh-keygen(1), -Y sign, -Y verify, ALLOWED SIGNERS; PROTOCOL.sshsig.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.errors import RecordError, RecordNotSigned, UsageError
from runbook_lib.records import chain, files, origin, seal, signers
from runbook_lib.records.index import RunIndex
from runbook_lib.records.publish import publish
from runbook_lib.records.signers import CHANGE, RUN, Signer

_KEY_VARIABLE = "RUNBOOK_SIGN_KEY"
_TIMEOUT_S = 60.0  # but for a signature, for which a person may be asked


@dataclass(frozen=True)
class Key:
    """A key that may sign, and who that is.

    Args:
        path: of the private key, or of a public one whose private half an agent has; None: the agent's, by `blob`.
    """

    principal: str
    blob: str
    path: Path | None


def find_key(root: Path) -> Key:
    """The key to sign runs with: $RUNBOOK_SIGN_KEY, else the first of the agent that the list of signers has.

    Args:
        root: the folder of all records.
    Raises: RecordNotSigned: there is none, it may not sign this now, or the list of signers cannot be read.
    """
    return key_for(root, RUN)


def key_for(root: Path, namespace: str) -> Key:
    """The key of this person that may sign something now, as `find_key`.

    Args:
        namespace: what is to be signed.
    Raises: RecordNotSigned: as `find_key`.
    """
    try:
        listed = signers.in_force(root)
    except UsageError as error:
        raise RecordNotSigned(
            f"the list of signers {Path(error.where).name}: {error.problem}", error.where,
            "see runbook records verify; take the list again from where it was kept",
        ) from None  # fmt: skip
    if not listed:
        raise RecordNotSigned(
            "there is no list of signers yet", str(root),
            "write one, and take it in: runbook records signers FILE (docs/audit.md)",
        )  # fmt: skip
    return key_of(listed, namespace)


def key_of(listed: Sequence[Signer], namespace: str) -> Key:
    """The key of this person that a list lets sign something now.

    Raises: RecordNotSigned: there is none.
    """
    now = datetime.now(UTC)
    given = os.environ.get(_KEY_VARIABLE)
    offered = [(_public(Path(given).expanduser()), Path(given).expanduser())] if given else [
        (blob, None) for blob in _of_agent()
    ]  # fmt: skip
    for blob, path in offered:
        for signer in listed:
            if signer.may(namespace, blob, now):
                return Key(signer.principal, blob, path)
    raise RecordNotSigned(
        f"the key of ${_KEY_VARIABLE} is not in the list of signers, or not for this, or not now"
        if given
        else "no agent has a key that the list of signers allows to sign this now",
        given or "ssh-agent",
        f"ssh-add such a key, or name its file in ${_KEY_VARIABLE}; runbook records signers shows the list",
    )


def _public(path: Path) -> str:
    """The public key of a file, without its comment."""
    for one in (path, path.with_name(f"{path.name}.pub")):
        try:
            words = one.read_text(encoding="utf-8", errors="replace").split()
        except OSError:
            continue
        if len(words) >= 2 and signers.KEY_TYPE.fullmatch(words[0]):
            return f"{words[0]} {words[1]}"
    raise RecordNotSigned(
        "there is no public key", str(path), f"name a key in ${_KEY_VARIABLE} that has its .pub beside it"
    )


def _of_agent() -> list[str]:
    said = _ask(["ssh-add", "-L"], b"", _TIMEOUT_S).stdout.decode(errors="replace")
    return [" ".join(line.split()[:2]) for line in said.splitlines() if signers.KEY_TYPE.match(line)]


def signature(content: bytes, key: Key, namespace: str = RUN) -> bytes:
    """Sign; a passphrase, a PIN or a touch is asked for by ssh-keygen, on the terminal or by askpass.

    Raises: RecordNotSigned: it could not be, or the person did not want it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = key.path
        if path is None:
            path = Path(folder, "key.pub")
            path.write_text(f"{key.blob}\n", encoding="ascii")
        command = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(path), "-n", namespace]
        try:
            done = _ask(command, content, timeout_s=None)
        except KeyboardInterrupt:
            raise _not_signed(key, "it was cancelled") from None
    if done.returncode or not done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise _not_signed(key, " ".join(done.stderr.decode(errors="replace").split()) or "ssh-keygen failed")
    return done.stdout


def _not_signed(key: Key, why: str) -> RecordNotSigned:
    return RecordNotSigned(
        f"not signed by {key.principal}: {why}",
        str(key.path or "ssh-agent"),
        "unlock the key (ssh-add), then type the same again; of a run that is made: runbook records sign RUN",
        "",
    )


def sign(root: Path, run: str, key: Key) -> None:
    """Sign a run's seal, which names this key's principal.

    Nothing is held while a key is asked for; what was sealed anew meanwhile is not signed.

    Raises:
        RecordNotSigned: the key does not sign, or the seal is another by now.
        RecordNotWritten: nothing can be written there.
    """
    folder = root / run
    content = (folder / seal.SUMS).read_bytes()
    made = signature(content, key)
    with chain.locked(root):
        if (folder / seal.SUMS).read_bytes() != content:
            raise _not_signed(key, "the run was sealed anew meanwhile")
        files.write_atomically(folder / seal.SIGNATURE, made)
        sig = seal.sha256(made)
        chain.append(root, {"kind": "signed", "run": run, "sig": sig, "by": key.principal})


@dataclass(frozen=True)
class Kept:
    """A run that was published, sealed, and signed where that was wanted.

    Args:
        head: the last line of the chain, to be kept elsewhere.
        unsigned: why it is not signed; '' where it is, or nobody wanted it to be.
    """

    index: RunIndex
    head: str
    signed_by: str
    unsigned: str

    @property
    def told(self) -> str:
        """The head, and who signed, or why nobody did."""
        if self.unsigned:
            return (
                f"{self.head}, unsigned: {self.unsigned}; runbook records sign {self.index.run} does it later"
            )
        return f"{self.head}, signed by {self.signed_by}" if self.signed_by else self.head


def keep(root: Path, run: str, *, replaced: Collection[str] = ()) -> Kept:
    """Publish a run, and sign it where the inventory in use wants that.

    A run that cannot be signed is kept all the same.

    Raises: RecordError, RecordNotWritten: as `publish`, and that what the run did stays.
    """
    key, why = None, ""
    if origin.signing() != "off":
        try:
            key = find_key(root)
        except RecordNotSigned as error:
            why = error.problem
    try:
        found = publish(root, run, replaced=replaced, principal=key.principal if key else None)
    except RecordError as error:
        stays = f"What run {run} did stays as it is; its seal or its pages are missing or of before."
        raise type(error)(error.problem, error.where, error.remedy, stays) from None
    if key and not (root / run / seal.SIGNATURE).exists():
        try:
            sign(root, run, key)
        except RecordNotSigned as error:
            key, why = None, error.problem
    return Kept(found, chain.head(root), key.principal if key else "", why)


def sign_anew(root: Path, run: str, key: Key) -> None:
    """Sign a run that was sealed and not signed, or by somebody else; where the seal names nobody, it is made anew.

    Raises:
        RecordError: the run is not as it was sealed.
        RecordNotSigned, RecordNotWritten: as `sign`.
    """
    publish(root, run, principal=key.principal)
    sign(root, run, key)


def replace_signers(root: Path, file: Path) -> tuple[Path, str]:
    """Let another list of signers follow the one that is in force; the first one is signed by somebody in it.

    Returns: where it lies, and who signed it.
    Raises:
        UsageError: it is none or cannot be read, or a key of the list before is not in it.
        RecordNotSigned: no key is there that may change the list.
        RecordNotWritten: nothing can be written there.
    """
    content = signers.read(file)
    after, before = signers.parse(content, str(file)), signers.in_force(root)
    signers.refuse_removal(before, after, str(file))
    key = key_of(before or after, CHANGE)
    made = signature(content, key, CHANGE)
    files.prepare_root(root)
    with chain.locked(root):
        number = len(signers.lists(root)) + 1
        path = root / f"{signers.NAME}{number}"
        files.write_atomically(path, content)
        files.write_atomically(path.with_name(f"{path.name}.sig"), made)
        entry = {
            "kind": "signers", "number": number, "sha256": seal.sha256(content), "sig": seal.sha256(made),
            "by": key.principal,
        }  # fmt: skip
        chain.append(root, entry)
    return path, key.principal


def refuse_unsigned(root: Path) -> None:
    """Refuse to begin where the inventory in use requires a signature and none can be made: one is tried.

    Raises: RecordNotSigned.
    """
    if origin.signing() != "required":
        return
    try:
        signature(b"runbook: whether this key signs\n", find_key(root))
    except RecordNotSigned as error:
        raise RecordNotSigned(error.problem, error.where, error.remedy) from None


@dataclass(frozen=True)
class Verified:
    """What ssh-keygen said of a signature. `told` names the key; or says why it is not good."""

    good: bool
    told: str


def verify(
    content: bytes, sig: Path, principal: str, at: str, allowed: Path, namespace: str = RUN
) -> Verified:
    """Check a signature.

    Args:
        content: what was signed.
        sig: the signature's file.
        principal: who is said to have signed.
        at: when, as a record has its times.
        allowed: the list of signers.
    """
    moment = re.sub("[-:T]", "", at)[:14]
    if principal.startswith("-"):
        return Verified(good=False, told="names nobody")
    command = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", principal, "-n", namespace]
    done = _ask([*command, "-O", f"verify-time={moment}", "-s", str(sig)], content, _TIMEOUT_S)
    said = " ".join((done.stdout + done.stderr).decode(errors="replace").split())
    return Verified(done.returncode == 0, said.partition(" with ")[2] if done.returncode == 0 else said)


def _ask(command: list[str], content: bytes, timeout_s: float | None) -> "subprocess.CompletedProcess[bytes]":
    environment = os.environ | {"TZ": "UTC0", "LC_ALL": "C"}
    try:
        return subprocess.run(
            command, input=content, capture_output=True, check=False, env=environment, timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        raise RecordNotSigned(
            f"{command[0]} did not answer in {timeout_s:g} s", command[0], "see whether the ssh-agent works"
        ) from None
    except FileNotFoundError:
        raise RecordNotSigned(
            f"{command[0]} is not there", command[0], "install OpenSSH's client programs, 8.9 or later"
        ) from None
