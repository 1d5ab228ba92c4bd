"""The own CA as the issuer of a server's certificate: what it proposes, what it issues, and what it takes back."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from runbook_lib import inventory
from runbook_lib.errors import ApplyRefused, CertificateRefused
from runbook_lib.inventory.purposes import MAIL
from runbook_lib.messages import message
from runbook_lib.pki import authority, certificate, storage
from runbook_lib.pki.certificate import FITS
from runbook_lib.records.standing import SAME_ROOT
from runbook_lib.remote.change import Change, Plan, TouchedPath, quote
from runbook_lib.remote.files import FileChange, FileState, Seen
from runbook_lib.site_ca import own_ca, renewal
from runbook_lib.site_ca.issuer import Asked, Described, Proposed
from runbook_lib.x509 import dns_id
from runbook_lib.x509.certificate import fingerprint


@dataclass(frozen=True)
class CertificateToIssue(Change):
    """A certificate that does not exist yet, described by what it will bear.

    By hand it is three commands, of which `runbook ca sign` is the middle one; apply issues it, and what it then
    writes is the file's change.

    Args:
        there: of the certificate that it replaces, what an approval binds: which root signed it, and its names, a
            line each; none where there is no certificate.
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
    purpose: str = MAIL
    there: tuple[str, ...] = ()

    @property
    def thing(self) -> str:
        return str(self.path)

    def state_before(self) -> str:
        return "\n".join((self.before.line, *self.there))

    def state_after(self) -> str:
        return "\n".join((self.issuer, f"{self.valid_days} days", *self.names))

    @property
    def title(self) -> str:
        return message("{path} is issued: {why}", path=self.path, why=self.why)

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
        purpose = "" if self.purpose == MAIL else f" --purpose {self.purpose}"
        return (
            f"# on the server: show the CSR\ncat {quote(self.csr)}\n"
            f"# on the controller: put it into {self.csr.name}, then\n"
            f"runbook ca sign --host {quote(self.host)}{purpose} --inventory {quote(self.inventory)} "
            f"< {quote(self.csr.name)} > {quote(name)}\n"
            f"# on the server: type this, paste {name}, and end with Ctrl-D\n"
            f"install -o root -g root -m 0644 /dev/stdin {new}\nmv {new} {quote(self.path)}"
        )


def described(site: inventory.Site, host: inventory.Host) -> Described:
    """As `Issuer.described`: whether the CA is there, or comes with the first certificate."""
    name, values = site.ca.common_name, host.certificate
    shown = (
        message("{ca} (made with the first certificate)", ca=name)
        if own_ca.certificate(site) is None
        else message("{ca} (there)", ca=name)
    )
    lifetime = message(
        "{days} days; a new one from {renew_days} days left",
        days=values.valid_days,
        renew_days=values.renew_days,
    )
    return Described(name, shown, lifetime)


def propose(asked: Asked) -> Proposed:
    """As `Issuer.propose`: the certificate that the CA would issue; no change while the one that is there fits.

    Raises: PolicyViolation: the CA does not sign for this host.
    """
    site, host, said = asked.site, asked.host, asked.said
    why = asked.key_comes or renewal.why_new_certificate(site, host, said)
    if why == FITS:
        return Proposed(Plan(message("Certificate")))
    renewal.refuse_outside(site, host)
    renewal.refuse_without_right(site, host, said["public_key"].value)
    issuer, days = f"CN={site.ca.common_name}", host.certificate.valid_days
    change = CertificateToIssue(
        asked.path,
        asked.seen,
        asked.csr,
        host.names.all,
        days,
        issuer,
        host.name,
        asked.inventory_name,
        why,
        host.purpose,
        _there(asked),
    )
    return Proposed(Plan(message("Certificate"), (change,)))


def _there(asked: Asked) -> tuple[str, ...]:
    """Of the certificate that is there whether the root signed it that signs now, and its names, a line each."""
    if asked.said["certificate"].status != 0:
        return ()
    try:
        leaf = certificate.load(asked.said["certificate"].value.encode() + b"\n", "the certificate")
    except CertificateRefused:
        return ("no certificate",)
    pem = own_ca.certificate(asked.site)
    root = certificate.load(pem, "the CA's root") if pem else None
    if root is None or not certificate.is_issued_by(leaf, root):
        return ("another root", *sorted(dns_id.of(leaf)))
    return (f"{SAME_ROOT}{fingerprint(root)}", *sorted(dns_id.of(leaf)))


def issue(plan: Plan, asked: Asked, run: str) -> tuple[Plan, tuple[str, ...]]:
    """As `Issuer.issue`.

    Args:
        run: the run's id, for the ledger.
    Raises:
        ApplyRefused: there is no CSR, or it is for another key than the server's.
        CsrRefused, PolicyViolation, AuthorityError: as `pki.authority`; nothing was issued.
    """
    site, host, said = asked.site, asked.host, asked.said
    proposed = (one for one in plan.changes if isinstance(one, CertificateToIssue) and one.path == asked.path)
    change = next(proposed, None)
    if change is None:
        return plan, ()
    where = f"{host.name}, {change.csr.name}"
    if said["csr"].status != 0:
        raise ApplyRefused(message("the server has no CSR yet"), where, message("run chapter 1-1 first"))
    ca = own_ca.open_or_create(site)
    csr = (said["csr"].value + "\n").encode()
    checked = ca.check_csr(csr, host.names.all, where, host=host.name, run=run)
    if checked.public_key_sha256 != said["public_key"].value:
        raise ApplyRefused(
            message("the CSR is not for the server's key"),
            where,
            message("run chapter 1-1 again: it makes the CSR anew from the key that is there"),
        )
    issued = ca.issue(
        checked,
        host.names.all,
        host.certificate.valid_days,
        host=host.name,
        run=run,
        granted_again=host.certificate.granted_again,
        domains=own_ca.domains(site),
        purpose=host.purpose,
    )
    values = {"serial": issued.serial, "time": issued.not_after.isoformat()}
    told = message("Issued serial {serial}, valid to {time}.", **values)
    if host.purpose != MAIL:
        names = ", ".join(issued.names)
        told = message("Issued serial {serial} for {names}, valid to {time}.", names=names, **values)
    file = FileChange(change.path, change.before, FileState.wanted(issued.certificate_pem), change.why)
    return replace(plan, changes=tuple(file if one is change else one for one in plan.changes)), (told,)


def withdraw(site: inventory.Site, host: str, run: str, there: Collection[str]) -> int:
    """As `Issuer.withdraw`, in the CA's ledger."""
    place = own_ca.directory(site)
    if not authority.exists(place):
        return 0
    ledger = authority.open_ledger(place)
    with storage.locked(place):
        issued = [one for one in ledger.issuances(host) if one.run == run and one.withdrawn_at is None]
        issued = [one for one in issued if one.serial not in there]
        for one in issued:
            ledger.withdraw(one.serial, run)
    return len(issued)
