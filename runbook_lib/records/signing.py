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

from runbook_lib.errors import RecordError, RecordNotSigned, RecordNotStamped, UsageError
from runbook_lib.messages import message
from runbook_lib.records import chain, files, origin, seal, signers, stamping
from runbook_lib.records.index import RunIndex
from runbook_lib.records.publish import publish
from runbook_lib.records.signers import CHANGE, RUN, Signer

_KEY_VARIABLE = "RUNBOOK_SIGN_KEY"
_TIMEOUT_S = 60.0  # but for a signature, for which a person may be asked
_UNASKED_S = 10.0  # an agent that has asked a person by then has no answer yet


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
            message(
                "the list of signers {name}: {problem}", name=Path(error.where).name, problem=error.problem
            ),
            error.where,
            message("see runbook records verify; take the list again from where it was kept"),
        ) from None
    if not listed:
        raise RecordNotSigned(
            message("there is no list of signers yet"),
            str(root),
            message("write one, and take it in: runbook records signers FILE (docs/audit.md)"),
        )
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
        message(
            "the key of ${variable} is not in the list of signers, or not for this, or not now",
            variable=_KEY_VARIABLE,
        )
        if given
        else message("no agent has a key that the list of signers allows to sign this now"),
        given or "ssh-agent",
        message(
            "ssh-add such a key, or name its file in ${variable}; runbook records signers shows the list",
            variable=_KEY_VARIABLE,
        ),
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
        message("there is no public key"),
        str(path),
        message("name a key in ${variable} that has its .pub beside it", variable=_KEY_VARIABLE),
    )


def _of_agent() -> list[str]:
    said = _ask(["ssh-add", "-L"], b"", _TIMEOUT_S).stdout.decode(errors="replace")
    return [" ".join(line.split()[:2]) for line in said.splitlines() if signers.KEY_TYPE.match(line)]


def signature(content: bytes, key: Key, namespace: str = RUN, *, asking: bool = True) -> bytes:
    """Sign; a passphrase, a PIN or a touch is asked for by ssh-keygen, on the terminal or by askpass.

    Args:
        asking: False: nobody is asked for anything, so such a key does not sign.
    Raises: RecordNotSigned: it could not be, or the person did not want it.
    """
    if not asking and key.blob.startswith("sk-"):
        raise _not_signed(key, message("the key wants a touch, and nobody is asked for one here"))
    with tempfile.TemporaryDirectory() as folder:
        path = key.path
        if path is None:
            path = Path(folder, "key.pub")
            path.write_text(f"{key.blob}\n", encoding="ascii")
        command = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(path), "-n", namespace]
        try:
            done = _ask(command, content, timeout_s=None) if asking else _unasked(command, content)
        except KeyboardInterrupt:
            raise _not_signed(key, message("it was cancelled")) from None
    if done.returncode or not done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise _not_signed(
            key, " ".join(done.stderr.decode(errors="replace").split()) or message("ssh-keygen failed")
        )
    return done.stdout


def _not_signed(key: Key, why: str) -> RecordNotSigned:
    return RecordNotSigned(
        message("not signed by {principal}: {why}", principal=key.principal, why=why),
        str(key.path or "ssh-agent"),
        message(
            "unlock the key (ssh-add), then type the same again; of a run that is made: runbook "
            "records sign RUN"
        ),
        "",
    )


def sign(root: Path, run: str, key: Key, *, asking: bool = True) -> None:
    """Sign a run's seal, which names this key's principal.

    Nothing is held while a key is asked for; what was sealed anew meanwhile is not signed.

    Args:
        asking: as `signature` has it.
    Raises:
        RecordNotSigned: the key does not sign, or the seal is another by now.
        RecordNotWritten: nothing can be written there.
    """
    folder = root / run
    content = (folder / seal.SUMS).read_bytes()
    made = signature(content, key, asking=asking)
    with chain.locked(root):
        if (folder / seal.SUMS).read_bytes() != content:
            raise _not_signed(key, message("the run was sealed anew meanwhile"))
        files.write_atomically(folder / seal.SIGNATURE, made)
        sig = seal.sha256(made)
        chain.append(root, {"kind": "signed", "run": run, "sig": sig, "by": key.principal})


@dataclass(frozen=True)
class Kept:
    """A run that was published, sealed, and signed where that was wanted.

    Args:
        head: the last line of the chain, to be kept elsewhere.
        unsigned: why it is not signed; '' where it is, or nobody wanted it to be.
        stamped: the moment of the signature's time-stamp; '' where it has none.
        unstamped: why it has none; '' where it has one, or nobody wanted it.
    """

    index: RunIndex
    head: str
    signed_by: str
    unsigned: str
    stamped: str = ""
    unstamped: str = ""

    @property
    def told(self) -> str:
        """The head, who signed, or why nobody did, and the time-stamp."""
        if self.unsigned:
            return message(
                "{head}, unsigned: {why}; {command} does it later",
                head=self.head,
                why=self.unsigned,
                command=f"runbook records sign {self.index.run}",
            )
        told = (
            message("{head}, signed by {signer}", head=self.head, signer=self.signed_by)
            if self.signed_by
            else self.head
        )
        if self.unstamped:
            return message(
                "{seal}, unstamped: {why}; {command} asks again",
                seal=told,
                why=self.unstamped,
                command=f"runbook records stamp {self.index.run}",
            )
        return message("{seal}, time-stamped {time}", seal=told, time=self.stamped) if self.stamped else told


def keep(
    root: Path,
    run: str,
    *,
    replaced: Collection[str] = (),
    asking: bool = True,
    key: Key | None = None,
) -> Kept:
    """Publish a run, and sign it: with a key that was found already, or where the inventory in use wants that.

    A run that cannot be signed, or whose signature gets no time-stamp, is kept all the same.

    Args:
        replaced: as `publish` has it.
        asking: False: where nobody has typed a command, as a notebook that is saved; see `signature`.
    Raises: RecordError, RecordNotWritten: as `publish`, and that what the run did stays.
    """
    why = ""
    if key is None and origin.signing() != "off":
        try:
            key = find_key(root)
        except RecordNotSigned as error:
            why = error.problem
    try:
        found = publish(root, run, replaced=replaced, principal=key.principal if key else None)
    except RecordError as error:
        stays = message(
            "What run {run} did stays as it is; its seal or its pages are missing or of before.", run=run
        )
        raise type(error)(error.problem, error.where, error.remedy, stays) from None
    if key and not (root / run / seal.SIGNATURE).exists():
        try:
            sign(root, run, key, asking=asking)
        except RecordNotSigned as error:
            key, why = None, error.problem
    stamped, unstamped = stamp_where_wanted(root, run) if key else ("", "")
    return Kept(found, chain.head(root), key.principal if key else "", why, stamped, unstamped)


def stamp_where_wanted(root: Path, run: str) -> tuple[str, str]:
    """Have a signed run time-stamped where the inventory in use names an authority, and it is not.

    Returns: the moment, or why it has none; both '' where nobody wants one, or it had one before.
    """
    if origin.timestamp() is None or (root / run / seal.STAMP).exists():
        return "", ""
    try:
        return stamping.stamp(root, run), ""
    except RecordNotStamped as error:
        return "", error.why


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
        number = chain.last_list(root) + 1
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


def _unasked(command: list[str], content: bytes) -> "subprocess.CompletedProcess[bytes]":
    """As `_ask`, where nothing can ask a person: no terminal is the process's own, and no window is opened."""
    return _ask(command, content, _UNASKED_S, SSH_ASKPASS_REQUIRE="never", DISPLAY="", WAYLAND_DISPLAY="")


def _ask(
    command: list[str], content: bytes, timeout_s: float | None, **more: str
) -> "subprocess.CompletedProcess[bytes]":
    environment = os.environ | {"TZ": "UTC0", "LC_ALL": "C"} | more
    try:
        return subprocess.run(
            command, input=content, capture_output=True, check=False, env=environment, timeout=timeout_s,
            start_new_session=bool(more),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RecordNotSigned(
            message(
                "{command} did not answer in {timeout_s} s", command=command[0], timeout_s=f"{timeout_s:g}"
            ),
            command[0],
            message("see whether the ssh-agent works"),
        ) from None
    except FileNotFoundError:
        raise RecordNotSigned(
            message("{command} is not there", command=command[0]),
            command[0],
            message("install OpenSSH's client programs, 8.9 or later"),
        ) from None
