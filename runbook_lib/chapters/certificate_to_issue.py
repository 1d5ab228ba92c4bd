"""The change of chapter 1-2 before there is a certificate: described by what it will bear."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from runbook_lib.remote.change import Change, TouchedPath, quote
from runbook_lib.remote.files import Seen


@dataclass(frozen=True)
class CertificateToIssue(Change):
    """A certificate that does not exist yet, described by what it will bear.

    By hand it is three commands, of which `runbook ca sign` is the middle one; apply issues it, and what it then
    writes is the file's change.
    """

    path: PurePosixPath
    before: Seen
    csr: PurePosixPath
    names: tuple[str, ...]
    valid_days: int
    issuer: str
    host: str
    inventory: str
    why: str

    @property
    def title(self) -> str:
        return f"{self.path} is issued: {self.why}"

    @property
    def touches(self) -> tuple[TouchedPath, ...]:
        return (TouchedPath(self.path, self.before.line),)

    def diff(self) -> str:
        old = f"-{self.path}: {self.before.line}\n" if not self.before.is_absent else ""
        return (
            f"{old}+{self.path}: root:root 0644\n+  issuer {self.issuer}\n+  for {self.valid_days} days\n"
            + "".join(f"+  SAN DNS:{name}\n" for name in self.names)
            + "+  server authentication only, no CA, serial of 128 random bits\n"
        )

    def commands(self) -> str:
        name = self.path.name
        new = quote(self.path.with_name(f".{name}.new"))
        return (
            f"# on the server: show the CSR\ncat {quote(self.csr)}\n"
            f"# on the controller: put it into {self.csr.name}, then\n"
            f"runbook ca sign --host {quote(self.host)} --inventory {quote(self.inventory)} "
            f"< {quote(self.csr.name)} > {quote(name)}\n"
            f"# on the server: type this, paste {name}, and end with Ctrl-D\n"
            f"install -o root -g root -m 0644 /dev/stdin {new}\nmv {new} {quote(self.path)}"
        )
