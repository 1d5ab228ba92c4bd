"""Keys and CSRs that a host makes for itself; a private key's bytes never leave the host."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from runbook_lib.credentials import Secret
from runbook_lib.messages import message
from runbook_lib.remote.change import Change, TouchedPath, because, here_document, quote

PASSPHRASE = "KEY_PASSPHRASE"  # noqa: S105 - the name of the variable, not its value


@dataclass(frozen=True)
class KeyPairChange(Change):
    """A private key twice, as the document has it: encrypted to keep, and without passphrase for the service.

    Args:
        encrypted, plain: the two files, both 0600 root.
        before: the state lines of both before.
        key_type: 'rsa' or 'p256'.
        key_bits: for RSA.
        passphrase: of the encrypted file.
        why: why the key that is there is replaced; '' where there is none, or it is of another kind.
    Source: genpkey(1ssl); the keys are generated on the host that uses them and are written aside, then renamed.
    """

    encrypted: PurePosixPath
    plain: PurePosixPath
    before: tuple[str, str]
    key_type: str
    key_bits: int
    passphrase: Secret
    why: str = ""

    @property
    def thing(self) -> str:
        return f"{self.encrypted} {self.plain}"

    def state_before(self) -> str:
        return "\n".join(path.was or "" for path in self.touches)

    def state_after(self) -> str:
        return f"{self.key_type} {self.key_bits}"

    @property
    def title(self) -> str:
        kind = f"RSA {self.key_bits}" if self.key_type == "rsa" else "P-256"
        return because(message("a private key ({kind}) is made on the host", kind=kind), self.why)

    @property
    def touches(self) -> Sequence[TouchedPath]:
        return (
            TouchedPath(self.encrypted, self.before[0], secret=True),
            TouchedPath(self.plain, self.before[1], secret=True),
        )

    @property
    def secrets(self) -> Mapping[str, Secret]:
        return {PASSPHRASE: self.passphrase}

    def diff(self) -> str:
        lines = []
        for path, before, how in zip(
            (self.encrypted, self.plain),
            self.before,
            ("encrypted with the passphrase", "without passphrase"),
            strict=True,
        ):
            if before != "absent":
                lines.append(f"-{path}: {before}")
            lines.append(f"+{path}: root:root 0600, {how}")
        return "\n".join(lines) + "\n"

    def commands(self) -> str:
        kind = (
            f"-algorithm RSA -pkeyopt rsa_keygen_bits:{self.key_bits}"
            if self.key_type == "rsa"
            else "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"
        )
        new = [quote(path.with_name(f".{path.name}.new")) for path in (self.encrypted, self.plain)]
        # Read back before it takes its place: on a full disk OpenSSL writes what fits, and ends with status 0.
        return (
            f"( umask 077\n"
            f"  openssl genpkey {kind} -aes-256-cbc -pass env:{PASSPHRASE} -out {new[0]}\n"
            f"  openssl pkey -in {new[0]} -passin env:{PASSPHRASE} -out {new[1]} )\n"
            f"sync {new[0]} {new[1]}\n"
            f"openssl pkey -in {new[1]} -noout\n"
            f"mv {new[0]} {quote(self.encrypted)}\n"
            f"mv {new[1]} {quote(self.plain)}"
        )


@dataclass(frozen=True)
class CsrChange(Change):
    """A CSR made on the host from its key, with the names that the inventory grants.

    Args:
        path: the CSR's file.
        before: its state line.
        key: the passphrase-free key.
        names: DNS names; the first is also the common name. All stand in the SAN (RFC 9525).
    """

    path: PurePosixPath
    before: str
    key: PurePosixPath
    names: tuple[str, ...]

    @property
    def thing(self) -> str:
        return str(self.path)

    def state_before(self) -> str:
        return self.before

    def state_after(self) -> str:
        return "\n".join(self.names)

    @property
    def title(self) -> str:
        return message("{path} asks for {names}", path=self.path, names=", ".join(self.names))

    @property
    def touches(self) -> Sequence[TouchedPath]:
        return (TouchedPath(self.path, self.before),)

    def diff(self) -> str:
        old = f"-{self.path}: {self.before}\n" if self.before != "absent" else ""
        return (
            f"{old}+{self.path}: root:root 0644, signed with {self.key}\n"
            f"+  subject CN = {self.names[0]}\n" + "".join(f"+  SAN DNS:{name}\n" for name in self.names)
        )

    def commands(self) -> str:
        # A configuration of our own: OpenSSL before 1.1.1 has no -addext, and the host's openssl.cnf may add fields.
        config = (
            "[req]\nprompt = no\ndistinguished_name = dn\nreq_extensions = ext\nstring_mask = utf8only\n"
            f"[dn]\nCN = {self.names[0]}\n[ext]\n"
            f"subjectAltName = {', '.join(f'DNS:{name}' for name in self.names)}\n"
        )
        new = quote(self.path.with_name(f".{self.path.name}.new"))
        return (
            f"openssl req -new -sha256 -key {quote(self.key)} -out {new} -config /dev/stdin {here_document(config)}\n"
            f"chmod 0644 {new}\nsync {new}\nopenssl req -in {new} -noout\nmv {new} {quote(self.path)}"
        )
