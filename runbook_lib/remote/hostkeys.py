"""Host keys: what known_hosts says of a host, and what to tell a person when the host says otherwise.

paramiko's own reader gives up the whole file at one `@cert-authority` or `@revoked` line and never matches a
pattern, so the file is read here. Nothing is ever added to it.

Source: sshd(8), section SSH_KNOWN_HOSTS FILE FORMAT; RFC 4251 9.2.4 (the key is checked, never assumed).
"""

import base64
import binascii
import fnmatch
import functools
import hashlib
import hmac
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import paramiko

from runbook_lib.errors import HostKeyChanged, HostKeyRevoked, HostKeyUnknown
from runbook_lib.messages import message

# A key type of known_hosts, and the signature algorithms that prove such a key (RFC 8332: RSA without SHA-1).
ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
_SHORT_NAMES = {"ssh-ed25519": "ED25519", "ssh-rsa": "RSA"}


@dataclass(frozen=True)
class HostKey:
    """A public host key: its type as known_hosts spells it, and its bytes (RFC 4253 6.6)."""

    key_type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """`SHA256:…` as ssh-keygen prints it (base64 without padding)."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def line(self) -> str:
        """Type and base64, as in known_hosts and in a .pub file."""
        return f"{self.key_type} {base64.b64encode(self.blob).decode()}"

    def __str__(self) -> str:
        """`256 SHA256:… (ED25519)`: what `ssh-keygen -lf` prints, without the comment."""
        return f"{self._bits()} {self.fingerprint} ({_SHORT_NAMES.get(self.key_type, 'ECDSA')})"

    def _bits(self) -> int:
        if self.key_type == "ssh-rsa":
            message = paramiko.Message(self.blob)  # RFC 4253 6.6: the type, e, n
            message.get_binary()
            message.get_mpint()
            return message.get_mpint().bit_length()
        return int(self.key_type[-3:]) if self.key_type.startswith("ecdsa-") else 256


def shown_key(key: paramiko.PKey) -> HostKey:
    """The key that a server has proved to hold."""
    return HostKey(key.get_name(), key.asbytes())


@dataclass(frozen=True)
class _Line:
    marker: Literal["", "@cert-authority", "@revoked"]
    hosts: str
    key: HostKey
    path: Path
    number: int

    @property
    def place(self) -> str:
        """File and number, as compilers write them."""
        return f"{self.path}:{self.number}"

    def matches(self, name: str) -> bool:
        """Does the host column speak of `name`? Hashed names, patterns and `!` as in sshd(8)."""
        if self.hosts.startswith("|1|"):
            return _hash_matches(self.hosts, name)
        wanted = name.lower()
        found = False
        for pattern in self.hosts.lower().split(","):
            refused = pattern.startswith("!")
            if _is_meant(wanted, pattern.removeprefix("!")):
                if refused:
                    return False
                found = True
        return found


def _is_meant(wanted: str, pattern: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return wanted == pattern  # as almost every line of thousands
    # Only * and ? are patterns in known_hosts; the brackets of [host]:port are meant as they stand.
    return fnmatch.fnmatchcase(wanted, pattern.replace("[", "[[]"))


def _hash_matches(hosts: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hosts.split("|")[2:4])
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.lower().encode(), "sha1"), digest)


@dataclass(frozen=True)
class KnownHosts:
    """The known_hosts files of a machine, read once; what is new belongs into the first of them."""

    paths: Sequence[Path]
    lines: Sequence[_Line]

    @classmethod
    def read(cls, *paths: Path) -> "KnownHosts":
        """Read the files; a missing one knows nobody. Lines that ssh would skip are skipped.

        Raises:
            OSError: a file is there and cannot be read; `filename` says which.
        """
        lines: list[_Line] = []
        for path in paths:
            try:
                lines += _lines_of(path, path.read_bytes())
            except FileNotFoundError:
                continue
        return cls(paths, tuple(lines))

    def keys_of(self, names: Iterable[str]) -> list[tuple[HostKey, str]]:
        """Keys of the first of `names` that the files have any key for, and where each stands."""
        for name in names:
            found = [
                (line.key, line.place)
                for line in self.lines
                if line.marker == "" and line.key.key_type in ALGORITHMS and line.matches(name)
            ]
            if found:
                return found
        return []

    def known_by_authority(self, names: Sequence[str]) -> bool:
        """Is one of the names covered by a @cert-authority line? Host certificates are not verified here."""
        authorities = [line for line in self.lines if line.marker == "@cert-authority"]
        return any(line.matches(name) for line in authorities for name in names)

    def revoked_at(self, key: HostKey) -> str | None:
        """Place of the @revoked line with this key; such a key is refused whichever host the line names."""
        revoked = (line.place for line in self.lines if line.marker == "@revoked" and line.key == key)
        return next(revoked, None)

    @property
    def shown(self) -> str:
        """The files for a message."""
        return " or ".join(map(str, self.paths))


@functools.lru_cache(maxsize=8)
def _lines_of(path: Path, content: bytes) -> tuple[_Line, ...]:
    """The lines of a file; a thousand hosts ask the same one, which is taken apart once for each content it has."""
    texts = (
        io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors="surrogateescape").read().split("\n")
    )
    return tuple(line for number, text in enumerate(texts, 1) if (line := _parse(text, path, number)))


def _parse(text: str, path: Path, number: int) -> _Line | None:
    fields = text.split()
    if not fields or fields[0].startswith("#"):
        return None
    marker: Literal["", "@cert-authority", "@revoked"] = ""
    if fields[0] == "@cert-authority" or fields[0] == "@revoked":
        marker = "@revoked" if fields[0] == "@revoked" else "@cert-authority"
        fields = fields[1:]
    if len(fields) < 3 or fields[0].startswith("@"):
        return None
    try:
        blob = base64.b64decode(fields[2], validate=True)
    except ValueError:  # no base64, or not even ASCII
        return None
    return _Line(marker, fields[0], HostKey(fields[1], blob), path, number)


def check(known: KnownHosts, names: Sequence[str], shown: HostKey, where: str) -> None:
    """Accept `shown` only if the file has exactly this key for the host.

    Raises:
        HostKeyRevoked: the file revokes this key.
        HostKeyChanged: the file has another key; both fingerprints are in the message.
    """
    revoked = known.revoked_at(shown)
    if revoked is not None:
        raise HostKeyRevoked(
            message("the host shows the key {shown}, which {revoked} revokes", shown=shown, revoked=revoked),
            where,
            message(
                "do not connect; give the host a new key at its console, then put that key into known_hosts"
            ),
        )
    candidates = known.keys_of(names)
    if any(key == shown for key, _ in candidates):
        return
    raise changed(known, names, [shown], where)


def changed(known: KnownHosts, names: Sequence[str], shown: Sequence[HostKey], where: str) -> HostKeyChanged:
    """The error for a host that shows other keys than the known ones."""
    keys = known.keys_of(names)
    were = "; ".join(f"{key} at {place}" for key, place in keys)
    file = keys[0][1].rpartition(":")[0] if keys else known.paths[0]
    return HostKeyChanged(
        message(
            "{name} shows another key than the known one.\n  known: {were}\n  shown: {shown}\n  Either "
            "the host was set up anew, or somebody stands between",
            name=names[0],
            were=were,
            shown="; ".join(map(str, shown)) or message("none of a type this program knows"),
        ),
        where,
        message(
            "{compare}, take the old line out (`ssh-keygen -f {file} -R '{name}'`) and add:\n{lines}",
            compare=_compare(shown),
            file=file,
            name=names[0],
            lines=_lines_to_add(names[0], shown),
        ),
    )


def unknown(known: KnownHosts, names: Sequence[str], shown: Sequence[HostKey], where: str) -> HostKeyUnknown:
    """The error for a host that the file does not know."""
    there = any(path.exists() for path in known.paths)
    missing = ""
    if not there:
        one = len(known.paths) == 1
        missing = message(", which does not exist yet") if one else message(", which do not exist yet")
    by_authority = (
        message(
            ". It is known there only by a @cert-authority line, and host certificates are not verified here"
        )
        if known.known_by_authority(names)
        else ""
    )
    return HostKeyUnknown(
        message(
            "{names} has no key in {files}{missing}{by_authority}.\n  shown: {shown}",
            names=" or ".join(names),
            files=known.shown,
            missing=missing,
            by_authority=by_authority,
            shown="; ".join(map(str, shown)) or message("no key of a type this program knows"),
        ),
        where,
        message(
            "{compare}, add to {file}:\n{lines}",
            compare=_compare(shown),
            file=known.paths[0],
            lines=_lines_to_add(names[0], shown),
        ),
    )


def _compare(shown: Sequence[HostKey]) -> str:
    kind = _SHORT_NAMES.get(shown[0].key_type, "ECDSA").lower() if shown else "ed25519"
    return message(
        "run `ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub` at the host's own console and compare with "
        "the shown fingerprint; only if they are equal",
        kind=kind,
    )


def _lines_to_add(name: str, shown: Sequence[HostKey]) -> str:
    return "\n".join(f"  {name} {key.line}" for key in shown[:1])
