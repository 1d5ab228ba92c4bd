"""Chapter 1-2: the CSR comes back from the server, is checked, and a CA signs it."""

import shlex
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

from runbook_lib import display
from runbook_lib.afterwards import way_back
from runbook_lib.chapters import first_change, further, others_files, port_25, progress, public_ca
from runbook_lib.chapters.chapter import Chapter
from runbook_lib.chapters.opening import begin_record, open_host
from runbook_lib.chapters.public_ca import CertificateToOrder
from runbook_lib.errors import CertificateRefused
from runbook_lib.inventory import Host as InventoryHost
from runbook_lib.inventory import shown
from runbook_lib.mail import ownership
from runbook_lib.mail.certificates.on_port_25 import CertificateOnPort25
from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.messages import message
from runbook_lib.pki import certificate, chain
from runbook_lib.pki.clock import check_clock_skew, told_time
from runbook_lib.remote.change import Plan, quote
from runbook_lib.remote.facts import Fact, gather
from runbook_lib.remote.files import FUNCTIONS, FileChange, Seen, ahead, looks, refuse_barred, seen_in
from runbook_lib.site_ca import issuing, own_ca, renewal
from runbook_lib.site_ca.issuing import CertificateToIssue
from runbook_lib.x509 import trusted_roots

NOTEBOOK = "12-signing"
_CLAIM = message("The certificate fits the key, the names and the users' root")
TITLE = "1-2 Signing the CSR · 署名要求書（CSR）のCAへの送付"


@dataclass(repr=False)
class Signing(Chapter):
    """The chapter's own plans and claims."""

    returned: tuple[str, ...] = ()
    inventory_name: str = ""
    there: CertificateOnPort25 | None = None  # on port 25 already

    def csr_path(self, host: InventoryHost) -> PurePosixPath:
        """Where the CSR is for the certificate that the host is seen with."""
        return self.opened.family.key_directory / host.certificate.csr_file

    def certificate_path(self, host: InventoryHost) -> PurePosixPath:
        """Where the certificate is that the host is seen with."""
        return self.opened.family.certificate_directory / host.certificate.certificate_file

    def read(self, host: InventoryHost) -> tuple[dict[str, Fact], Seen]:
        """CSR, certificate and the key's public half as they are on the host; and what the certificate's path is.

        Args:
            host: seen with the certificate that it is about.
        """
        path = self.certificate_path(host)
        facts = {
            "csr": f"cat {quote(self.csr_path(host))}",
            **renewal.facts(self.opened.family, host),
            **looks([path]),
            **ownership.facts_of_puppet([path]),
        }
        found = gather(self.remote, facts, root=True, functions=FUNCTIONS, ahead=ahead([path]))
        return found, seen_in(found, [path])[path]

    def plan_certificate(self) -> Plan:
        """Each certificate; none while those that are there fit key, names and issuer, and have days enough left."""
        if self.there and self.there.serves:
            unused = (
                (message("What the CA returned is not installed: the one that stays serves."),)
                if self.returned
                else ()
            )
            return self.plan(Plan(message("Certificate"), (), (*self.there.notes, *unused)))
        notes = self.there.notes if self.there else ()
        with self.at_work():
            plans = []
            for host in self.host.by_certificate:
                opened = replace(self.opened, host=host)
                if self.is_apply:
                    others_files.refuse(opened, ("certificate_file",))
                elif noted := others_files.notes(opened, ("certificate_file",)):
                    plans.append(Plan(message("Certificate"), (), noted))
                    continue
                plans.append(self._plan_of(host, notes if host is self.host else ()))
            first, *others = plans
            for other in others:
                first = first.with_more(other)
            return self.plan(first)

    def _plan_of(self, host: InventoryHost, notes: tuple[str, ...]) -> Plan:
        """One certificate, with what is to be said beside it."""
        facts, now = self.read(host)
        if self.returned and host is self.host:
            plan = self._returned_plan(facts, now)
        else:
            plan = self._plan_without_file(host, facts, now)
        for note in plan.notes:
            self.record.add_note(note)
        plan = replace(plan, notes=(*plan.notes, *notes))
        return ownership.left_to_puppet(plan, facts, [self.certificate_path(host)])

    def _plan_without_file(self, host: InventoryHost, facts: dict[str, Fact], seen: Seen) -> Plan:
        present = self._present(host, facts, seen)
        values = host.certificate
        if values.is_public or (present.is_public and values.signed_by is None):
            order = CertificateToOrder(
                self.certificate_path(host), seen, host.names.all, host.name, self.inventory_name
            )
            return public_ca.plan_without_file(self.opened, present, order)
        return self._plan_to_issue(host, facts, seen)

    def _present(self, host: InventoryHost, facts: dict[str, Fact], seen: Seen) -> public_ca.There:
        content = seen.file.content if seen.file else None
        return public_ca.there(replace(self.opened, host=host), content, facts["public_key"].value)

    def _plan_to_issue(self, host: InventoryHost, facts: dict[str, Fact], seen: Seen) -> Plan:
        site = self.opened.inventory.site
        comes = ""
        if not self.is_apply and (why := renewal.why_new_key(site, host, facts)):
            comes = message("chapter 1-1 makes a new key: {why}", why=why)
        file = self.certificate_path(host), seen
        return issuing.propose(site, host, facts, file, self.csr_path(host), self.inventory_name, comes)

    def _returned_plan(self, facts: dict[str, Fact], seen: Seen) -> Plan:
        """What a public CA returned, as one chain; the record keeps the digest of each file as it came."""
        if facts["key_is_there"].status != 0:
            key = self.opened.family.key_directory / self.host.certificate.nopass_key_file
            raise CertificateRefused(
                f"the server has no key at {key} yet, so no certificate can be for it",
                self.host.name,
                "run chapter 1-1, and order with the CSR that it makes; what was returned is for a key that is gone",
            )
        plan, proven = public_ca.plan_returned(
            self.opened, self.returned, self.certificate_path(self.host), seen, facts["public_key"].value
        )
        for original in proven.originals:
            self.record.add_note(
                message(
                    "Returned by the CA: {file}, SHA-256 {sha256}.",
                    file=original.name,
                    sha256=original.sha256,
                )
            )
        return plan

    def made_ready(self, plan: Plan) -> Plan:
        """Issue what the plan describes, so that what is applied is a file with its bytes."""
        there = {self.certificate_path(host): (host, *self.read(host)) for host in self.host.by_certificate}
        first_change.refuse(self.opened, self.journal)
        refuse_barred({path: now for path, (_, _, now) in there.items()}, self.host.name)
        own, facts, now = there[self.certificate_path(self.host)]
        public_ca.refuse_to_wait(plan, self._present(own, facts, now), self.host.name)
        clock = told_time(self.remote.run("date -u +%s.%N").text, self.host.name)
        told = check_clock_skew(clock, datetime.now(UTC), self.host.name)
        self.record.add_note(told)
        made = (
            self._issued(change, *there[change.path][:2])
            if isinstance(change, CertificateToIssue)
            else change
            for change in plan.changes
        )
        return replace(plan, changes=tuple(made))

    def _issued(self, change: CertificateToIssue, host: InventoryHost, facts: dict[str, Fact]) -> FileChange:
        made, told = issuing.issue(self.opened.inventory.site, host, change, facts, self.journal.run)
        self.record.add_note(told)
        return made

    def put_back(self) -> str:
        """Put the file back, and mark what was issued for it and is gone from the host as withdrawn."""
        try:
            return super().put_back()
        finally:
            there = way_back.serials_there(self.remote, self.host)
            issuing.withdraw(self.opened.inventory.site, self.host.name, self.journal.run, there)

    def show_certificate(self) -> display.Shown:
        """Each certificate on the server, as a person reads it."""
        if self.there and self.there.serves:
            return _described(certificate.as_pem(self.there.leaf))
        shown = [self._described(host) for host in self.host.by_certificate]
        return shown[0] if len(shown) == 1 else display.Parts(shown)

    def _described(self, host: InventoryHost) -> display.Shown:
        _, now = self.read(host)
        if now.file is None or now.file.content is None:
            return display.Text(message("There is no certificate yet."))
        return _described(now.file.content)

    def verify_certificate(self) -> display.Shown:
        """Each certificate belongs to its key, bears the granted names, and validates from the users' root."""
        return self.verify(_CLAIM, self._certificate_rows)

    def _certificate_rows(self) -> list[Row]:
        if self.there and self.there.serves:
            return port_25.certificate_rows(_CLAIM, self.opened)
        return [row for host in self.host.by_certificate for row in self._rows_of(host)]

    def _rows_of(self, host: InventoryHost) -> list[Row]:
        claim, path = _CLAIM, self.certificate_path(host)
        facts, now = self.read(host)
        content, where = now.file, f"{host.name}, {path}"
        body = content.content if content else None
        if body is None:
            return [_row(claim, message("{file} is not there", file=path.name), False, f"ls -l {path}")]
        rows = []
        try:
            read = chain.read_pem(body, where)
            chain.check_pair(read.leaf, facts["public_key"].value, where)
            rows.append(
                _row(
                    claim,
                    message("it is for the server's key"),
                    True,
                    f"openssl x509 -in {path} -noout -pubkey",
                )
            )
            own = own_ca.roots_for(self.opened.inventory.site, body, host.name)
            chain.verify(read, own or trusted_roots.pem(), host.names.all, datetime.now(UTC), where)
            site = self.opened.inventory.site
            by_hand = f"openssl verify -untrusted {path} {path}"
            if own:  # the root is on this machine, and the certificate on the server
                root = shlex.quote(own_ca.root_file(site, body, where))
                by_hand = f"{_ssh(host)} cat {path} | openssl verify -CAfile {root}"
            names = ", ".join(host.names.all)
            rows.append(
                _row(
                    claim,
                    message("it validates for {names}", names=names),
                    True,
                    by_hand,
                )
            )
        except CertificateRefused as error:
            rows.append(_row(claim, error.problem, False, f"openssl x509 -in {path} -noout -text"))
        return rows


def _of_further(host: InventoryHost) -> list[tuple[str, str]]:
    """Rows of the first table about a further certificate, which the own CA signs."""
    values = host.certificate
    lifetime = message(
        "{days} days; a new one from {renew_days} days left",
        days=values.valid_days,
        renew_days=values.renew_days,
    )
    return [
        (further.named(message("names granted"), host), ", ".join(map(shown, host.names.all))),
        (further.named(message("lifetime"), host), lifetime),
    ]


def _ssh(host: InventoryHost) -> str:
    """How a person here reaches the server, where `~/.ssh/config` does not say it otherwise."""
    port = ["-p", str(host.port)] if host.port != 22 else []
    return shlex.join(["ssh", *port, f"{host.user}@{host.address}" if host.user else host.address])


def _described(content: bytes) -> display.Table:
    told = ("subject", "issuer", "names", "key")
    return display.Table(("", ""), [row for row in certificate.describe(content) if row[0] in told])


def _row(claim: str, seen: str, good: bool, command: str) -> Row:
    return Row(claim, None, "", "-", Verdict.PASS if good else Verdict.FAIL, seen, command)


@progress.shown(progress.OPENING)
def open(  # noqa: A001 - a cell reads `signing.open(…)`
    inventory: str, host: str, mode: str = "", reason: str = "", returned: str = "", plan: str = ""
) -> Signing:
    """Open the chapter on a host: connect, read, begin the record. Nothing is changed.

    Args:
        inventory, host, mode, reason: as in every chapter.
        returned: path of what a public CA returned, a file or a folder of files; empty: as the inventory says.
        plan: digest of the plan that this is bound to; '': of none.
    """
    opened = open_host(NOTEBOOK, frozenset({"returned"}), inventory, host, mode, reason, plan)
    site = opened.inventory.site
    files = (returned,) if returned else opened.host.certificate.returned
    is_public = bool(files) or opened.host.certificate.is_public
    facts = {
        "family": opened.family.name,
        "release": opened.release.version_id,
        "ca": message("a public CA") if is_public else site.ca.common_name,
        "names": ", ".join(opened.host.names.all),
        "valid_days": str(opened.host.certificate.valid_days),
        **further.told(opened.host),
    }
    there = port_25.look(opened)
    record, journal = begin_record(opened, NOTEBOOK, TITLE, facts | port_25.told(there))
    days, renew_days = opened.host.certificate.valid_days, opened.host.certificate.renew_days
    if is_public:
        ca = facts["ca"]
        lifetime = message("as the CA sells it; a new one from {renew_days} days left", renew_days=renew_days)
    else:
        ca = (
            message("{ca} (made with the first certificate)", ca=facts["ca"])
            if own_ca.certificate(site) is None
            else message("{ca} (there)", ca=facts["ca"])
        )
        lifetime = message(
            "{days} days; a new one from {renew_days} days left", days=days, renew_days=renew_days
        )
    rows = [
        (message("host"), f"{opened.host.name}, {opened.system}"),
        (message("mode"), opened.mode_in_words),
        (message("CA"), ca),
        (message("names granted"), ", ".join(map(shown, opened.host.names.all))),
        (message("lifetime"), lifetime),
        *port_25.rows(there),
        *(row for host in opened.host.by_certificate[1:] for row in _of_further(host)),
    ]
    return Signing(
        NOTEBOOK,
        TITLE,
        opened,
        record,
        journal,
        display.Table(("", ""), rows),
        returned=files,
        inventory_name=inventory,
        there=there,
    )
