"""A public CA as an issuer: the files it returned, and what a person has to do while it has returned none."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from cryptography import x509

from runbook_lib import inventory
from runbook_lib.errors import ApplyRefused, CertificateRefused, UsageError
from runbook_lib.inventory import Host as InventoryHost
from runbook_lib.inventory.purposes import MAIL, field_of
from runbook_lib.messages import joined, message
from runbook_lib.pki import certificate, chain, chain_faults
from runbook_lib.pki.certificate import shown_dn
from runbook_lib.pki.chain import Chain
from runbook_lib.pki.importing import canonical
from runbook_lib.pki.returned import ARCHIVE_BYTES_MAX, is_something_else, left_out
from runbook_lib.remote.change import Change, Plan, TouchedPath, Withheld, quote
from runbook_lib.remote.files import FileChange, FileState, Seen
from runbook_lib.site_ca import own_ca
from runbook_lib.site_ca.issuer import Asked, Described, Proposed
from runbook_lib.x509 import dns_id, trusted_roots

WHO_ORDERS = message("who orders from the public CA")
_TITLE = message("Certificate")


def read_files(paths: Sequence[str | Path], where: str) -> tuple[list[tuple[str, bytes]], tuple[str, ...]]:
    """Name and content of the files; a folder stands for the files in it, sorted by name.

    Returns: the files, and what is to be said of those in a folder that have nothing to do with certificates (README,
        .DS_Store, Thumbs.db): they are left out, as in a zip archive.
    Raises:
        UsageError: one is not there, cannot be read, is no file, or is far too large.
    """
    found, said = [], []
    for given in paths:
        path = Path(given).expanduser()
        try:
            files = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
            for file in files:
                if not file.is_file():
                    raise UsageError(
                        message("{file} is not there, or no file", file=file),
                        where,
                        message("name the file that the CA returned"),
                    )
                size = file.stat().st_size
                if size > ARCHIVE_BYTES_MAX:
                    raise UsageError(
                        message(
                            "{file} has {size} bytes; at most {most} are read",
                            file=file,
                            size=size,
                            most=ARCHIVE_BYTES_MAX,
                        ),
                        where,
                        message("bring the certificates alone"),
                    )
                content = file.read_bytes()
                if path.is_dir() and is_something_else(content):
                    said.append(left_out(file.name))
                else:
                    found.append((file.name, content))
        except OSError as error:
            raise UsageError(
                message("{path} cannot be read ({reason})", path=path, reason=error.strerror),
                where,
                message("make it readable to you"),
            ) from error
    return found, tuple(said)


def imported(host: InventoryHost, paths: Sequence[str | Path], public_key_sha256: str) -> Chain:
    """The chain to install, out of what came back for a host.

    Args:
        host: seen with the certificate that it is about.
        paths: files, or folders of files.
        public_key_sha256: of the key that is on the host (SPKI, hex).
    Raises:
        UsageError: a path is wrong.
        CertificateRefused: as `importing.canonical`.
    """
    field = field_of(host.purpose)
    where = host.name if host.purpose == MAIL else f"{host.name}, {field}"
    files, said = read_files(paths, message("{host}, what the CA returned", host=where))
    proven = canonical(
        files,
        public_key_sha256,
        trusted_roots.pem(),
        host.names.all,
        host.certificate.also_named,
        host.certificate.renew_days,
        datetime.now(UTC),
        where,
        field,
    )
    return chain.noted(proven, *said)


@dataclass(frozen=True)
class There:
    """The certificate on a host.

    Args:
        is_public: it validates against the public roots, or did until it ended.
        fault: why it does not serve any more; '' while it does.
        leaf_ends: until when it is valid; None where there is none.
    """

    is_public: bool
    fault: str
    leaf_ends: datetime | None = None

    @property
    def days_left(self) -> int:
        return (self.leaf_ends - datetime.now(UTC)).days if self.leaf_ends else 0


def there(asked: Asked) -> There:
    """Judge the certificate that is on the host, whoever issued it."""
    content = asked.seen.file.content if asked.seen.file else None
    if not content or not content.strip():
        return There(is_public=False, fault=message("there is no certificate yet"))
    where = f"{asked.host.name}, its certificate"
    now = datetime.now(UTC)
    try:
        read = chain.read_pem(content, where)
    except CertificateRefused as error:
        return There(
            is_public=False,
            fault=message(
                "the file is not a certificate that OpenSSL reads: {problem}", problem=error.problem
            ),
        )
    ends = read.leaf.not_valid_after_utc
    is_public = _is_public(asked.site, read, min(now, ends - timedelta(seconds=1)), where)
    try:
        chain.check_pair(read.leaf, asked.said["public_key"].value, where)
    except CertificateRefused:
        return There(is_public, message("it is for another key than the server's"), ends)
    missing = chain_faults.names_not_covered(read.leaf, asked.host.names.all)
    if missing:
        return There(is_public, message("it lacks {names}", names=", ".join(missing)), ends)
    expired = message("it expired at {end}", end=ends.isoformat()) if ends < now else ""
    return There(is_public, expired, ends)


def _is_public(site: inventory.Site, read: Chain, at: datetime, where: str) -> bool:
    # The own CA is no public one, though its root, of before a roll-over too, may stand among those of this machine.
    own = own_ca.every_root(site)
    if own and any(certificate.is_issued_by(read.leaf, one) for one in x509.load_pem_x509_certificates(own)):
        return False
    try:
        chain.verify(read, trusted_roots.pem(), dns_id.of(read.leaf), at, where)
    except CertificateRefused:
        return False
    return True


@dataclass(frozen=True)
class CertificateToOrder(Change):
    """A certificate that a public CA is to sign: a person orders it, and nothing here can."""

    path: PurePosixPath
    before: Seen
    names: tuple[str, ...]
    host: str
    inventory: str
    purpose: str = MAIL

    @property
    def thing(self) -> str:
        return str(self.path)

    @property
    def title(self) -> str:
        return message("{path} comes from a public CA", path=self.path)

    @property
    def touches(self) -> tuple[TouchedPath, ...]:
        return (TouchedPath(self.path, self.before.line),)

    def diff(self) -> str:
        old = f"-{self.path}: {self.before.line}\n" if not self.before.is_absent else ""
        return f"{old}+{self.path}: root:root 0644\n" + "".join(f"+  SAN DNS:{name}\n" for name in self.names)

    def commands(self) -> str:
        options, file = f"--inventory {quote(self.inventory)}", f"{self.host}.csr"
        if self.purpose != MAIL:
            options, file = f"--purpose {self.purpose} {options}", f"{self.host}-{self.purpose}.csr"
        return (
            f"runbook csr {quote(self.host)} {options} > {quote(file)}\n"
            "# send that to the CA, with what is printed beside it; when it has answered:\n"
            f"runbook certificate check FILE... --host {quote(self.host)} {options}\n"
            f"# and where that is content: {field_of(self.purpose)}.returned: [FILE, ...] in the inventory"
        )

    def as_lines(self) -> str:
        return self.commands()


def described(_site: inventory.Site, host: inventory.Host) -> Described:
    """As `Issuer.described`: how long a certificate lasts the CA decides."""
    name = message("a public CA")
    renew_days = host.certificate.renew_days
    return Described(
        name,
        name,
        message("as the CA sells it; a new one from {renew_days} days left", renew_days=renew_days),
    )


def propose(asked: Asked) -> Proposed:
    """As `Issuer.propose`: what came back is installed; while nothing has, a person orders it.

    Raises:
        CertificateRefused: it is not fit to be installed, or older than the public one that is there; or the server
            has no key that it could be for.
        UsageError: a path is wrong.
    """
    if not asked.returned:
        return Proposed(_without_file(asked))
    if asked.said["key_is_there"].status != 0:
        raise CertificateRefused(
            message("the server has no key at {key} yet, so no certificate can be for it", key=asked.key),
            asked.host.name,
            message(
                "run chapter 1-1, and order with the CSR that it makes; what was returned is for a key "
                "that is gone"
            ),
        )
    plan, proven = _returned(asked)
    told = (
        message("Returned by the CA: {file}, SHA-256 {sha256}.", file=original.name, sha256=original.sha256)
        for original in proven.originals
    )
    return Proposed(plan, tuple(told))


def _returned(asked: Asked) -> tuple[Plan, Chain]:
    """Install what the CA returned, as one chain; nothing where it is there already."""
    path, seen = asked.path, asked.seen
    proven = imported(asked.host, asked.returned, asked.said["public_key"].value)
    wanted = FileState.wanted(proven.pem)
    if seen.line == wanted.line:
        return Plan(_TITLE, (), proven.notes), proven
    present = there(asked)
    ends = proven.leaf.not_valid_after_utc
    if present.is_public and not present.fault and present.leaf_ends and present.leaf_ends > ends:
        raise CertificateRefused(
            message(
                "what was returned ends at {end}, before the public one that is there "
                "({newer}): it is an older one",
                end=ends.isoformat(),
                newer=present.leaf_ends.isoformat(),
            ),
            asked.host.name,
            message(
                "name the file of the newer one ({field}.returned in the inventory), or leave it out",
                field=field_of(asked.host.purpose),
            ),
        )
    issuer = shown_dn(proven.leaf.issuer)
    why = message("of {issuer}, valid to {end}", issuer=issuer, end=f"{ends:%Y-%m-%d}")
    return Plan(_TITLE, (FileChange(path, seen, wanted, why),), proven.notes), proven


def _without_file(asked: Asked) -> Plan:
    """While a public CA signs, and has returned nothing (new): what a person has to do, or when."""
    host, present = asked.host, there(asked)
    order = CertificateToOrder(
        asked.path, asked.seen, host.names.all, host.name, asked.inventory_name, host.purpose
    )
    decided = host.certificate.is_public
    to_decide = message(
        "A public CA issued it, so the own CA does not sign over it by itself: say {field}.signed_by in the "
        "inventory, public CA or own CA.",
        field=field_of(host.purpose),
    )
    if present.is_public and not present.fault and present.days_left > host.certificate.renew_days:
        return Plan(_TITLE)
    if present.is_public and not present.fault:
        told = message(
            "It ends in {days} days ({end}): order the next one from its CA. The CSR may be the same: runbook csr "
            "shows it.",
            days=present.days_left,
            end=f"{present.leaf_ends:%Y-%m-%d}",
        )
        if not decided:
            told = message("{told} {to_decide}", told=told, to_decide=to_decide)
        return Plan(_TITLE, (), (joined("\n", (told, order.commands())),))
    why = message("{why}.", why=present.fault or message("the one that is there is not a public CA's"))
    if not decided:
        why = message("{told} {to_decide}", told=why, to_decide=to_decide)
    return Plan(_TITLE, (), (), (Withheld(order, WHO_ORDERS, why),))


def issue(plan: Plan, asked: Asked, _run: str) -> tuple[Plan, tuple[str, ...]]:
    """As `Issuer.issue`: what came back is a file with its bytes by now, and nothing here can make another.

    Raises:
        ApplyRefused: the server has no certificate that serves, and only a person can bring one: what to do.
    """
    for one in plan.withheld:
        if (
            isinstance(one.change, CertificateToOrder)
            and one.change.path == asked.path
            and there(asked).fault
        ):
            raise ApplyRefused(
                message("the certificate has to come from a public CA: {why}", why=one.why),
                asked.host.name,
                message("order it, and bring what comes back:\n{commands}", commands=one.change.commands()),
            )
    return plan, ()


def withdraw(_site: inventory.Site, _host: str, _run: str, _there: Collection[str]) -> int:
    """As `Issuer.withdraw`: nothing, since a person has its certificates revoked, at the CA."""
    return 0
