"""Chapter 1-2: the CSR comes back from the server, is checked, and a CA signs it."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

from runbook_lib import display
from runbook_lib.afterwards import way_back
from runbook_lib.chapters import first_change, further, others_files, port_25, progress
from runbook_lib.chapters.chapter import Chapter
from runbook_lib.chapters.opening import begin_record, open_host
from runbook_lib.errors import (
    CertificateRefused,
    DeadlineExceeded,
    HostUnreachable,
    RecordNotWritten,
    RunbookError,
)
from runbook_lib.inventory import Host as InventoryHost
from runbook_lib.inventory import Site, shown
from runbook_lib.mail import ownership
from runbook_lib.mail.certificates.on_port_25 import CertificateOnPort25
from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.messages import joined, message
from runbook_lib.pki import certificate, chain
from runbook_lib.pki.clock import check_clock_skew, told_time
from runbook_lib.remote.change import Plan, quote
from runbook_lib.remote.facts import Fact, gather
from runbook_lib.remote.files import FUNCTIONS, Seen, ahead, looks, refuse_barred, seen_in
from runbook_lib.site_ca import issuers, own_ca, renewal
from runbook_lib.site_ca.issuer import Asked
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
    _issued: bool = False

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
        """One certificate, by the one who signs it, with what is to be said beside it."""
        facts, now = self.read(host)
        plan, told = issuers.propose(self._asked(host, facts, now))
        for note in (*told, *plan.notes):
            self.record.add_note(note)
        plan = replace(plan, notes=(*plan.notes, *notes))
        return ownership.left_to_puppet(plan, facts, [self.certificate_path(host)])

    def _asked(self, host: InventoryHost, facts: dict[str, Fact], seen: Seen) -> Asked:
        site = self.opened.inventory.site
        comes = ""
        if not self.is_apply and (why := renewal.why_new_key(site, host, facts)):
            comes = message("chapter 1-1 makes a new key: {why}", why=why)
        return Asked(
            site,
            host,
            facts,
            self.certificate_path(host),
            seen,
            self.csr_path(host),
            self.opened.family.key_directory / host.certificate.nopass_key_file,
            self.inventory_name,
            comes,
            self.returned if host is self.host else host.certificate.returned,
        )

    def made_ready(self, plan: Plan) -> Plan:
        """Issue what the plan describes, so that what is applied is a file with its bytes."""
        there = [(host, *self.read(host)) for host in self.host.by_certificate]
        first_change.refuse(self.opened, self.journal)
        refuse_barred({self.certificate_path(host): now for host, _, now in there}, self.host.name)
        clock = told_time(self.remote.run("date -u +%s.%N").text, self.host.name)
        told = check_clock_skew(clock, datetime.now(UTC), self.host.name)
        self.record.add_note(told)
        # First those that a person has to bring: where one is missing, no other is issued in vain.
        waiting = {one.change.thing for one in plan.withheld}
        asked = sorted(
            (self._asked(host, facts, now) for host, facts, now in there),
            key=lambda one: str(one.path) not in waiting,
        )
        with self._withdrawn_unless_there(message("Nothing was changed on the host.")):
            for one in asked:
                plan, issued = issuers.issue(plan, one, self.journal.run)
                self._issued = self._issued or bool(issued)
                for note in issued:
                    self.record.add_note(note)
        return plan

    def make(self, ready: Plan) -> None:
        """As `Chapter.make`; a certificate that was issued and did not come to the host is withdrawn."""
        with self._withdrawn_unless_there():
            super().make(ready)

    @contextmanager
    def _withdrawn_unless_there(self, changed: str = "") -> Iterator[None]:
        """Where a step fails, withdraw what this run issued and the host has not; error and record say so.

        Args:
            changed: what the error says was changed, in place of its own words: one that refuses a certificate says
                that nothing was signed, and the one before it was.
        """
        try:
            yield
        except RunbookError as error:
            if self._issued:
                told = self._withdraw(error)
                error.changed = joined("\n  ", (changed or error.changed, told))
                with suppress(RecordNotWritten):  # the first error is the one to tell
                    self.record.add_note(told)
            raise

    def _withdraw(self, error: RunbookError) -> str:
        """Withdraw what did not come to the host, and say how many certificates that were."""
        site, run = self.opened.inventory.site, self.journal.run
        unknown = message(
            "Whether what was issued came to the host is not known, so nothing of it is withdrawn: "
            "runbook rollback {run} withdraws what is not there.",
            run=run,
        )
        if isinstance(error, HostUnreachable | DeadlineExceeded):  # it may be at work still
            return unknown
        try:
            there = way_back.serials_there(self.remote, self.host)
            number = issuers.withdraw(site, self.host.name, run, there)
        except RunbookError:
            return unknown
        return message(
            "Certificates that were issued before that, are not on the host, and are withdrawn: {number}.",
            number=number,
        )

    def put_back(self) -> str:
        """Put the file back, and mark what was issued for it and is gone from the host as withdrawn."""
        try:
            return super().put_back()
        finally:
            there = way_back.serials_there(self.remote, self.host)
            issuers.withdraw(self.opened.inventory.site, self.host.name, self.journal.run, there)

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


def _of_further(site: Site, host: InventoryHost) -> list[tuple[str, str]]:
    """Rows of the first table about a further certificate."""
    issuer = issuers.described(site, host, host.certificate.returned)
    return [
        (further.named(message("CA"), host), issuer.shown),
        (further.named(message("names granted"), host), ", ".join(map(shown, host.names.all))),
        (further.named(message("lifetime"), host), issuer.lifetime),
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
        returned: path of what a public CA returned for the certificate that users meet, a file or a folder of files;
            empty: as the inventory says.
        plan: digest of the plan that this is bound to; '': of none.
    """
    opened = open_host(NOTEBOOK, frozenset({"returned"}), inventory, host, mode, reason, plan)
    site = opened.inventory.site
    files = (returned,) if returned else opened.host.certificate.returned
    issuer = issuers.described(site, opened.host, files)
    facts = {
        "family": opened.family.name,
        "release": opened.release.version_id,
        "ca": issuer.name,
        "names": ", ".join(opened.host.names.all),
        "valid_days": str(opened.host.certificate.valid_days),
        **further.told(opened.host),
    }
    there = port_25.look(opened)
    record, journal = begin_record(opened, NOTEBOOK, TITLE, facts | port_25.told(there))
    rows = [
        (message("host"), f"{opened.host.name}, {opened.system}"),
        (message("mode"), opened.mode_in_words),
        (message("CA"), issuer.shown),
        (message("names granted"), ", ".join(map(shown, opened.host.names.all))),
        (message("lifetime"), issuer.lifetime),
        *port_25.rows(there),
        *(row for host in opened.host.by_certificate[1:] for row in _of_further(site, host)),
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
