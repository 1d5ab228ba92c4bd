"""Fetching a secret from where its reference says it is."""

import codecs
import contextlib
import os
import re
import shlex
import signal
import stat
import subprocess
from pathlib import Path

from runbook_lib.credentials.masking import MIN_BYTES, Secret, remember
from runbook_lib.errors import SecretUnavailable, SecretUnusable
from runbook_lib.messages import message

LOGIN_PASSWORD_MAX_BYTES = (
    255  # saslauthd's request buffer holds 256 bytes a field (cyrusimap/cyrus-sasl#870)
)


def resolve(
    reference: str, where: str, *, max_bytes: int | None = None, command_timeout_s: float = 30.0
) -> Secret:
    """Fetch the secret that a reference names.

    Args:
        reference: `env:`, `file:`, `keyring:` or `cmd:`, as the inventory has it.
        where: who needs it, for the message ("mail1, sudo.password").
        max_bytes: most bytes in UTF-8; `LOGIN_PASSWORD_MAX_BYTES` for a password that saslauthd checks.
        command_timeout_s: how long a `cmd:` may take, in seconds.
    Returns: the secret; it is masked from now on (`mask`).
    Raises:
        SecretUnavailable: nothing there, a file that others can read, or a command that fails or takes too long.
        SecretUnusable: not UTF-8, empty, more than one line, shorter than 4 bytes, or longer than `max_bytes`.
    """
    place = f"{where} ({reference})"
    # Editors of Windows write a byte order mark in front; nobody types one.
    content = _fetch(reference, place, command_timeout_s).removeprefix(codecs.BOM_UTF8)
    try:
        value = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SecretUnusable(
            message("the secret is not UTF-8: its byte {number} does not fit", number=error.start + 1),
            place,
            message("store it again in UTF-8; mail clients of today send passwords in UTF-8"),
        ) from None
    if not value:
        raise SecretUnusable(message("the secret is empty"), place, message("store the secret there"))
    if re.search(r"[\0\r\n]", value):
        raise SecretUnusable(
            message(
                "the secret has a line end or a NUL inside; one line end at the end is cut, a second is not"
            ),
            place,
            message("store the secret as one line"),
        )
    if len(content) < MIN_BYTES:
        raise SecretUnusable(
            message(
                "the secret has fewer than {least} bytes, so it could not be kept out of what is "
                "shown and recorded",
                least=MIN_BYTES,
            ),
            place,
            message(
                "change it where it is used to one of at least {least} bytes, and store that",
                least=MIN_BYTES,
            ),
        )
    if max_bytes is not None and len(content) > max_bytes:
        raise SecretUnusable(
            message(
                "the password is {count} bytes long; at most {most} bytes pass through saslauthd",
                count=len(content),
                most=max_bytes,
            ),
            place,
            message(
                "give the account a password of at most {most} bytes (in UTF-8) and store that",
                most=max_bytes,
            ),
        )
    return remember(value)


def _fetch(reference: str, place: str, command_timeout_s: float) -> bytes:
    scheme, _, rest = reference.partition(":")
    match scheme:
        case "env":
            return _from_environment(rest, place)
        case "file":
            return _from_file(rest, place)
        case "keyring":
            return _from_keyring(rest, place)
        case "cmd":
            return _from_command(rest, place, command_timeout_s)
    raise ValueError("not a reference; the inventory's models check references before they come here")


def _without_line_end(content: bytes) -> bytes:
    """Cut exactly one line end, LF or CRLF: editors and `echo` add one, and it is not part of a password."""
    return content.removesuffix(b"\n").removesuffix(b"\r") if content.endswith(b"\n") else content


def _from_environment(name: str, place: str) -> bytes:
    content = os.environb.get(name.encode())
    if content is None:
        raise SecretUnavailable(
            message("the environment variable {name} is not set", name=name),
            place,
            message("set {name} for this command, or name a file: instead", name=name),
        )
    return content


def _from_file(path_text: str, place: str) -> bytes:
    expanded = re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], match[0]), path_text)
    if "${" in expanded:
        raise SecretUnavailable(
            message("the path names an environment variable that is not set"),
            place,
            message("set the variable"),
        )
    path = Path(expanded).expanduser()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SecretUnavailable(
            message("the file cannot be read: {reason}", reason=error.strerror),
            place,
            message("put the secret there, in a file of mode 0600 of your own"),
        ) from None
    try:
        # Asked of the open file, so that it cannot be exchanged between the question and the reading.
        _check_private(os.fstat(descriptor), path_text, place)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return _without_line_end(file.read())
    finally:
        os.close(descriptor)


def _check_private(status: os.stat_result, path_text: str, place: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SecretUnavailable(message("this is not a regular file"), place, message("name a file"))
    if status.st_uid != os.geteuid():
        raise SecretUnavailable(
            message(
                "the file belongs to another user (uid {owner}, you are {uid})",
                owner=status.st_uid,
                uid=os.geteuid(),
            ),
            place,
            message("keep the secret in a file of your own"),
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise SecretUnavailable(
            message(
                "others may read the file: its mode is {mode}, expected 0600",
                mode=f"{stat.S_IMODE(status.st_mode):04o}",
            ),
            place,
            message("chmod 600 {path}", path=shlex.quote(path_text)),
        )


def _from_keyring(entry: str, place: str) -> bytes:
    service, _, user = entry.partition("/")
    try:
        import keyring  # an extra, and slow to import: only where a reference asks for it
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError:
        raise SecretUnavailable(
            message("the package keyring is not installed"),
            place,
            message("pip install 'runbook-lib[keyring]', or use file: or env:"),
        ) from None
    try:
        value = keyring.get_password(service, user)
    except NoKeyringError:
        raise SecretUnavailable(
            message("this machine has no keyring (usual on a server without a desktop)"),
            place,
            message("use file: or env: here"),
        ) from None
    except KeyringError as error:
        raise SecretUnavailable(
            message("the keyring did not answer ({error})", error=type(error).__name__),
            place,
            message("unlock the keyring, or use file: or env:"),
        ) from None
    if value is None:
        raise SecretUnavailable(
            message(
                "the keyring has no entry for service '{service}' and user '{user}'",
                service=service,
                user=user,
            ),
            place,
            message("keyring set {service} {user}", service=shlex.quote(service), user=shlex.quote(user)),
        )
    return value.encode()


def _from_command(command: str, place: str, timeout_s: float) -> bytes:
    by_hand = message("run the command by hand and see that it prints the secret alone")
    try:
        process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it may hold the secret
            start_new_session=True,  # so that a deadline ends its children too
        )
    except OSError as error:
        raise SecretUnavailable(
            message("the command cannot be started: {reason}", reason=error.strerror), place, by_hand
        ) from None
    with process:
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise SecretUnavailable(
                message(
                    "the command did not end within {timeout_s} s (it gets no terminal to ask on)",
                    timeout_s=f"{timeout_s:g}",
                ),
                place,
                by_hand,
            ) from None
    if process.returncode != 0:
        raise SecretUnavailable(
            message("the command ended with status {status}", status=process.returncode),
            place,
            by_hand,
        )
    return _without_line_end(output)
