"""What OpenSSH's configuration says of a destination, asked of OpenSSH itself: `ssh -G`.

So Include, Match, tokens and canonical names are as `ssh` takes them. paramiko's own reader is not used: it keeps
Include as a dead word and takes an unknown Match as met.

Source: ssh(1), option -G; ssh_config(5), and its section TOKENS.
"""

import getpass
import os
import pwd
import re
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from runbook_lib import display
from runbook_lib.errors import HostUnreachable
from runbook_lib.messages import message

ASK_TIMEOUT_S = 20.0  # `Match exec` may run a command, and canonical names ask the DNS
AGENT_VARIABLE = "SSH_AUTH_SOCK"
_SYSTEM_WIDE = Path("/etc/ssh/ssh_config")
_PORT = re.compile("[0-9]{1,5}")


@dataclass(frozen=True)
class Settings:
    """How `ssh` would connect to a destination.

    Args:
        hostname, port, user: where to, and as whom.
        identity_files: private keys, or public ones whose private half an agent holds, in order.
        identities_only: offer no key of the agent beside those of the files.
        agent: the agent's socket; None: none.
        proxy_jump: jump hosts with commas between, the nearest first; '' for none.
        proxy_command: a command whose input and output are the connection; '' for none.
        known_hosts: files with host keys, the user's first.
        host_key_alias: the name that the host's key is known by, instead of its own; '' for none.
        revoked: file of keys that no host may show; None: none.
    """

    hostname: str
    port: int
    user: str
    identity_files: tuple[Path, ...]
    identities_only: bool
    agent: Path | None
    proxy_jump: str
    proxy_command: str
    known_hosts: tuple[Path, ...]
    host_key_alias: str
    revoked: Path | None


def ask(destination: str, where: str, user: str | None = None, port: int | None = None) -> Settings:
    """Ask `ssh -G` about a destination.

    Args:
        destination: a name, an address, or an alias of the configuration.
        where: the host or jump, for messages.
        user, port: given by a person, so they win; Match and the tokens see them too.
    Returns: the settings, tokens and `~` expanded. Without an ssh client: its defaults.
    Raises:
        HostUnreachable: the configuration has a mistake, or it is there and no ssh client that reads it.
    """
    options = [f"-l{user}"] if user else []
    options += [f"-p{port}"] if port else []
    try:
        told = subprocess.run(
            ["ssh", "-G", *options, *_files(), "--", destination],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        return _without_client(destination, where, user, port)
    except subprocess.TimeoutExpired:
        raise HostUnreachable(
            message(
                "`ssh -G {destination}` has not answered in {seconds} s",
                destination=destination,
                seconds=f"{ASK_TIMEOUT_S:g}",
            ),
            where,
            message(
                "see which `Match exec` of ~/.ssh/config waits, or which name the DNS does not answer for"
            ),
        ) from None
    if told.returncode != 0:
        said = [
            line for line in display.escape_bytes(told.stderr).splitlines() if "seudo-terminal" not in line
        ]
        raise HostUnreachable(
            message("ssh cannot read its configuration: {said}", said="; ".join(said) or "it says nothing"),
            where,
            message("correct the line; `ssh -G {destination}` tries it", destination=destination),
        )
    return read(told.stdout, destination, where)


def read(printed: bytes, destination: str, where: str) -> Settings:
    """What `ssh -G` printed of a destination: a name, a blank and a value a line.

    Args:
        printed: its output.
        destination, where: as `ask` has them.
    Raises:
        HostUnreachable: a value that every destination has is missing or no such value, or a path names a user who
            is not there.
    """
    said: dict[str, list[str]] = {}
    for line in printed.decode("utf-8", "surrogateescape").split("\n"):
        name, _, value = line.partition(" ")
        said.setdefault(name, []).append(value)
    hostname, port, user = (said.get(name, [""])[0] for name in ("hostname", "port", "user"))
    if not (hostname and user and _PORT.fullmatch(port) and 0 < int(port) < 65536) or b"\0" in printed:
        raise HostUnreachable(
            message(
                "`ssh -G {destination}` says no host name, user and port, but '{hostname}', '{user}', "
                "'{port}'",
                destination=destination,
                hostname=hostname,
                user=user,
                port=port,
            ),
            where,
            message(
                "see what `ssh -G {destination}` prints, and whether `ssh` is OpenSSH's (`command -v ssh`)",
                destination=destination,
            ),
        )
    try:
        return _settings(destination, said, hostname, int(port), user)
    except RuntimeError as error:  # of expanduser
        raise HostUnreachable(
            message(
                "a path in the configuration of ssh names a user who is not there ({error})", error=str(error)
            ),
            where,
            message("correct it; `ssh -G {destination}` prints all paths", destination=destination),
        ) from None


def _settings(destination: str, said: dict[str, list[str]], hostname: str, port: int, user: str) -> Settings:
    def one(name: str) -> str:
        value = said.get(name, [""])[0]
        return "" if value.lower() == "none" else value

    tokens = {
        "%": "%",
        "d": str(_home()),
        "h": hostname,
        "i": str(os.getuid()),
        "k": one("hostkeyalias") or destination,
        "L": socket.gethostname().partition(".")[0],
        "l": socket.gethostname(),
        "n": destination,
        "p": str(port),
        "r": user,
        "u": pwd.getpwuid(os.getuid()).pw_name,
    }

    def expanded(text: str) -> str:
        # Of the versions of OpenSSH, some print a value as it was written, some with its tokens expanded.
        return re.sub(r"%(.)", lambda found: tokens.get(found[1], found[0]), text)

    def path(text: str) -> Path:
        return _of_this_home(Path(expanded(text)).expanduser())

    agent = said.get("identityagent", [AGENT_VARIABLE])[0]
    if agent == AGENT_VARIABLE or agent.startswith("$"):
        agent = os.environ.get(agent.removeprefix("$").strip("{}"), "none") or "none"
    files = [file for name in ("userknownhostsfile", "globalknownhostsfile") for file in _paths(one(name))]
    return Settings(
        hostname=hostname,
        port=port,
        user=user,
        identity_files=tuple(path(file) for file in said.get("identityfile", []) if file.lower() != "none"),
        identities_only=one("identitiesonly") == "yes",
        agent=None if agent.lower() == "none" else path(agent),
        proxy_jump=one("proxyjump"),
        proxy_command=expanded(one("proxycommand")),
        known_hosts=tuple(_of_this_home(Path(file).expanduser()) for file in files),
        host_key_alias=expanded(one("hostkeyalias")),
        revoked=path(one("revokedhostkeys")) if one("revokedhostkeys") else None,
    )


def _paths(value: str) -> list[str]:
    """Absolute paths with blanks between; a part that begins otherwise belongs to the path before it."""
    found: list[str] = []
    for part in value.split(" ") if value else []:
        if found and not part.startswith(("/", "~")):
            found[-1] += f" {part}"
        else:
            found.append(part)
    return found


def _account_home() -> Path:
    return Path(pwd.getpwuid(os.getuid()).pw_dir)


def _home() -> Path:
    return Path.home()


def _files() -> list[str]:
    """Which configuration is read. ssh itself never looks at $HOME; everything else of ours does."""
    if _home() == _account_home():
        return []
    own = _home() / ".ssh" / "config"
    return ["-F", str(own) if own.exists() else str(_SYSTEM_WIDE) if _SYSTEM_WIDE.exists() else "none"]


def _of_this_home(path: Path) -> Path:
    """A path below the account's ~/.ssh, where ssh has its defaults, is below that of $HOME."""
    theirs = _account_home() / ".ssh"
    if _home() != _account_home() and path.is_relative_to(theirs):
        return _home() / ".ssh" / path.relative_to(theirs)
    return path


def _without_client(destination: str, where: str, user: str | None, port: int | None) -> Settings:
    folder = _home() / ".ssh"
    for configuration in (folder / "config", _SYSTEM_WIDE):
        if configuration.exists():
            raise HostUnreachable(
                message(
                    "{configuration} is there, and no `ssh` on this machine that could say what it means for "
                    "{destination}",
                    configuration=configuration,
                    destination=destination,
                ),
                where,
                message("install the OpenSSH client (package openssh-client, or openssh-clients)"),
            )
    agent = os.environ.get(AGENT_VARIABLE)
    return Settings(
        hostname=destination,
        port=port or 22,
        user=user or getpass.getuser(),
        identity_files=tuple(folder / name for name in ("id_rsa", "id_ecdsa", "id_ed25519")),
        identities_only=False,
        agent=Path(agent) if agent else None,
        proxy_jump="",
        proxy_command="",
        known_hosts=(folder / "known_hosts", folder / "known_hosts2"),
        host_key_alias="",
        revoked=None,
    )
