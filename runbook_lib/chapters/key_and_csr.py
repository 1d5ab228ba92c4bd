"""Chapter 1-1: the server's private key and its CSR, both made on the server."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from runbook_lib import credentials, display
from runbook_lib.chapters import first_change, further, others_files, port_25, progress
from runbook_lib.chapters.chapter import Chapter
from runbook_lib.chapters.opening import begin_record, open_host
from runbook_lib.errors import CsrRefused
from runbook_lib.families import Family
from runbook_lib.inventory import Host as InventoryHost
from runbook_lib.inventory.purposes import field_of
from runbook_lib.mail import ownership
from runbook_lib.mail.certificates.on_port_25 import CertificateOnPort25
from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.messages import message
from runbook_lib.pki import csr
from runbook_lib.remote.change import Change, Plan, quote
from runbook_lib.remote.facts import Fact, gather
from runbook_lib.remote.files import FUNCTIONS, Seen, ahead, looks, plan_directory, refuse_barred, seen_in
from runbook_lib.remote.keys import CsrChange, KeyPairChange
from runbook_lib.remote.system import PackagesChange
from runbook_lib.site_ca import renewal

NOTEBOOK = "11-key-and-csr"
_KEY_TITLE = message("Private key")
_CSR_TITLE = message("CSR")
_KEY_CLAIM = message("The key is readable by root alone")
_CSR_CLAIM = message("The CSR carries the server's key and no other name")
TITLE = "1-1 Private key and CSR · サーバの秘密鍵と署名要求書（CSR）の作成"


@dataclass(frozen=True)
class Paths:
    """Where the document's files of one certificate are."""

    encrypted: PurePosixPath
    plain: PurePosixPath
    csr: PurePosixPath

    @classmethod
    def of(cls, family: Family, host: InventoryHost) -> "Paths":
        """From the family's directory and the document's names."""
        names, folder = host.certificate, family.key_directory
        return cls(folder / names.key_file, folder / names.nopass_key_file, folder / names.csr_file)

    @property
    def all(self) -> tuple[PurePosixPath, ...]:
        return (self.encrypted, self.plain, self.csr)

    @property
    def facts(self) -> dict[str, str]:
        """What is known of key and CSR without either leaving the host."""
        plain, encrypted, request = quote(self.plain), quote(self.encrypted), quote(self.csr)
        return {
            "openssl": "openssl version",
            "key": f"openssl pkey -in {plain} -noout -text | head -n 1",
            "encrypted_key": f"head -n 1 {encrypted}",
            "csr": f"cat {request}",
            "csr_public_key": f"openssl req -in {request} -noout -pubkey | openssl pkey -pubin -outform DER"
            " | sha256sum | cut -c1-64",
            **ownership.facts_of_puppet(self.all),
        }


@dataclass(repr=False)
class KeyAndCsr(Chapter):
    """The chapter's own plans and claims, each about every certificate that the host has."""

    key_bits: int = 0  # 0: as the inventory says
    there: CertificateOnPort25 | None = None  # on port 25 already

    def paths(self, host: InventoryHost) -> Paths:
        """Where the files are of the certificate that the host is seen with."""
        return Paths.of(self.opened.family, host)

    def read(self, host: InventoryHost) -> tuple[dict[str, Fact], dict[PurePosixPath, Seen]]:
        """Key and CSR of one certificate as they are now, and what their paths are; bytes of keys are not read."""
        files = self.paths(host)
        paths, secret = [self.opened.family.key_directory, files.csr], [files.encrypted, files.plain]
        asked = {**files.facts, **renewal.facts(self.opened.family, host), **looks(paths, secret)}
        facts = gather(self.remote, asked, root=True, functions=FUNCTIONS, ahead=ahead([*paths, *secret]))
        return facts, seen_in(facts, paths, secret)

    def bits_of(self, host: InventoryHost) -> int:
        """Size of an RSA key: as asked for, else as the inventory says."""
        return self.key_bits or host.certificate.key_bits

    def plan_key(self) -> Plan:
        """The key pair; none while both files are there and the key is of the wanted kind."""
        if self.there and self.there.serves:
            return self.plan(Plan(_KEY_TITLE, (), self.there.notes))
        with self.at_work():
            plan = Plan(_KEY_TITLE, (), self.there.notes if self.there else ())
            for host in self.host.by_certificate:
                facts, seen = self.read(host)
                changes = self._ground(facts, seen) if host is self.host else ()
                own = Plan(_KEY_TITLE, (*changes, *self._key(host, facts, seen)))
                plan = plan.with_more(ownership.left_to_puppet(own, facts, self.paths(host).all))
            return self.plan(self._noted(plan))

    def _ground(self, facts: Mapping[str, Fact], seen: Mapping[PurePosixPath, Seen]) -> tuple[Change, ...]:
        """What keys need: openssl, and the directory that they lie in."""
        changes: list[Change] = []
        if facts["openssl"].status != 0:
            changes.append(
                PackagesChange(
                    (self.opened.family.openssl_package,),
                    self.opened.family.package_manager,
                    why=message("it makes keys and CSRs"),
                )
            )
        directory = seen[self.opened.family.key_directory]
        if directory.is_absent:
            changes += plan_directory(
                self.opened.family.key_directory, directory, mode=0o700, why=message("for private keys")
            )
        return tuple(changes)

    def _key(
        self, host: InventoryHost, facts: Mapping[str, Fact], seen: Mapping[PurePosixPath, Seen]
    ) -> tuple[KeyPairChange, ...]:
        """The key pair of one certificate; none while it is as wanted."""
        paths, values = self.paths(host), host.certificate
        both = (seen[paths.encrypted], seen[paths.plain])
        wanted = key_text(values.key_type, self.bits_of(host))
        good = all(s.line.startswith("file 600 root:root ") for s in both)
        why = renewal.why_new_key(self.opened.inventory.site, host, facts)
        if not why and good and wanted in facts["key"].value:
            return ()
        passphrase = credentials.resolve(
            values.key_passphrase, f"{host.name}, {field_of(host.purpose)}.key_passphrase"
        )
        before = (both[0].line, both[1].line)
        return (
            KeyPairChange(
                paths.encrypted, paths.plain, before, values.key_type, self.bits_of(host), passphrase, why
            ),
        )

    def plan_csr(self) -> Plan:
        """The CSR; none while it is for this key and asks for exactly the names that the inventory grants."""
        with self.at_work():
            return self.plan(self._csr())

    def foreseen(self) -> tuple[Plan, ...]:
        """The CSR."""
        return (self._csr(),)

    def _csr(self) -> Plan:
        if self.there and self.there.serves:
            return Plan(_CSR_TITLE, (), self.there.notes)
        plan = Plan(_CSR_TITLE)
        for host in self.host.by_certificate:
            plan = plan.with_more(self._csr_of(host))
        return self._noted(plan)

    def _csr_of(self, host: InventoryHost) -> Plan:
        """The CSR for one certificate."""
        facts, seen = self.read(host)
        paths = self.paths(host)
        key_is_there = facts["public_key"].status == 0
        same_key = key_is_there and facts["csr_public_key"].value == facts["public_key"].value
        comes = not self.is_apply and any(_makes_key(plan, paths) for plan in self._planned)
        if same_key and not comes and self._csr_names(host, facts["csr"].value) == set(host.names.all):
            return Plan(_CSR_TITLE)
        change = CsrChange(paths.csr, seen[paths.csr].line, paths.plain, host.names.all)
        return ownership.left_to_puppet(Plan(_CSR_TITLE, (change,)), facts, paths.all)

    def _csr_names(self, host: InventoryHost, text: str) -> set[str]:
        where = f"{host.name}, {self.paths(host).csr}"
        try:
            return set(csr.check_csr((text + "\n").encode(), host.names.all, where).names)
        except CsrRefused:
            return set()

    def made_ready(self, plan: Plan) -> Plan:
        """Before the first change: each file that will be written has to be one, or not there yet."""
        first_change.refuse(self.opened, self.journal)
        touched = {touched.path for change in plan.changes for touched in change.touches}
        for host in self.host.by_certificate:
            _, seen = self.read(host)
            paths = self.paths(host)
            written = (
                paths.all if _makes_key(plan, paths) else tuple(path for path in seen if path in touched)
            )
            refuse_barred({path: seen[path] for path in written}, host.name)
            others_files.refuse(replace(self.opened, host=host), self._written(plan, host))
        return plan

    def _written(self, plan: Plan, host: InventoryHost) -> tuple[str, ...]:
        """Fields of a certificate whose files this plan writes, and those of CSR and certificate, which come next."""
        keys = ("key_file", "nopass_key_file") if _makes_key(plan, self.paths(host)) else ()
        return (*keys, "csr_file", "certificate_file")

    def _noted(self, plan: Plan) -> Plan:
        """The plan, with what apply refuses: a file that is somebody else's."""
        if self.is_apply or not plan.changes:
            return plan
        notes = [
            note
            for host in self.host.by_certificate
            for note in others_files.notes(replace(self.opened, host=host), self._written(plan, host))
        ]
        told = {note for before in self._planned for note in before.notes}
        return replace(plan, notes=(*plan.notes, *(note for note in notes if note not in told)))

    def verify_key(self) -> display.Shown:
        """Both key files are readable by root alone, and hold the same key."""
        return self.verify(_KEY_CLAIM, self._key_rows)

    def _key_rows(self) -> list[Row]:
        if self.there and self.there.serves:
            return port_25.key_rows(_KEY_CLAIM, self.there)
        return [row for host in self.host.by_certificate for row in self._key_rows_of(host)]

    def _key_rows_of(self, host: InventoryHost) -> list[Row]:
        claim, paths = _KEY_CLAIM, self.paths(host)
        facts, seen = self.read(host)
        rows = []
        for path in (paths.encrypted, paths.plain):
            line = seen[path].line
            good = line.startswith("file 600 root:root ")
            rows.append(
                _row(claim, f"{path.name}: {' '.join(line.split()[:3])}", good, f"stat -c '%a %U:%G' {path}")
            )
        encrypted = "ENCRYPTED" in facts["encrypted_key"].value
        rows.append(
            _row(
                claim,
                message("{file}: encrypted", file=paths.encrypted.name)
                if encrypted
                else message("{file}: not encrypted", file=paths.encrypted.name),
                encrypted,
                f"head -n 1 {paths.encrypted}",
            )
        )
        good = key_text(host.certificate.key_type, self.bits_of(host)) in facts["key"].value
        rows.append(
            _row(
                claim,
                facts["key"].value,
                good,
                f"openssl pkey -in {paths.plain} -noout -text | head -n 1",
            )
        )
        return rows

    def verify_csr(self) -> display.Shown:
        """The CSR that came back is sound, carries the server's key, and asks for no other name."""
        if self.there and self.there.serves:
            words = message("Not asked: no CSR is made, since there is a certificate already.")
            self.record.add_note(words)
            return display.Text(words)
        return self.verify(
            _CSR_CLAIM, lambda: [row for host in self.host.by_certificate for row in self._csr_rows(host)]
        )

    def _csr_rows(self, host: InventoryHost) -> list[Row]:
        claim, path = _CSR_CLAIM, self.paths(host).csr
        facts, _ = self.read(host)
        show = f"openssl req -in {path} -noout -verify -text"
        try:
            checked = csr.check_csr(
                (facts["csr"].value + "\n").encode(), host.names.all, f"{host.name}, {path}"
            )
        except CsrRefused as refusal:
            return [_row(claim, refusal.problem, False, show)]
        same_key = checked.public_key_sha256 == facts["public_key"].value
        return [
            _row(claim, message("signature good, key {key}", key=checked.key), True, show),
            _row(
                claim,
                message("the key is the server's") if same_key else message("the key is not the server's"),
                same_key,
                show,
            ),
            _row(
                claim,
                message("asks for {names}", names=", ".join(checked.names)),
                set(checked.names) == set(host.names.all),
                f"openssl req -in {path} -noout -text | grep -A1 'Alternative Name'",
            ),
        ]


def _row(claim: str, seen: str, good: bool, command: str) -> Row:
    return Row(claim, None, "", "-", Verdict.PASS if good else Verdict.FAIL, seen, command)


def _makes_key(plan: Plan, paths: Paths) -> bool:
    """Whether a plan makes the key of a certificate."""
    return any(isinstance(change, KeyPairChange) and change.plain == paths.plain for change in plan.changes)


def key_text(key_type: str, key_bits: int) -> str:
    """What `openssl pkey -text` says of such a key in its first line."""
    return f"({key_bits} bit" if key_type == "rsa" else "(256 bit"


@progress.shown(progress.OPENING)
def open(  # noqa: A001 - a cell reads `key_and_csr.open(…)`
    inventory: str, host: str, mode: str = "", reason: str = "", key_bits: int = 0, plan: str = ""
) -> KeyAndCsr:
    """Open the chapter on a host: connect, read, begin the record. Nothing is changed.

    Args:
        inventory: 'lab', 'site', or a path.
        host: a host of it.
        mode: 'plan', 'apply', or '': apply on a lab host, plan elsewhere.
        reason: ticket or why.
        key_bits: 2048, 3072 or 4096; 0: as the inventory says.
        plan: digest of the plan that this is bound to; '': of none.
    """
    opened = open_host(NOTEBOOK, frozenset({"key_bits"}), inventory, host, mode, reason, plan)
    values = opened.host.certificate
    facts = {
        "family": opened.family.name,
        "release": opened.release.version_id,
        "key_type": values.key_type,
        "key_bits": str(key_bits or values.key_bits),
        "names": ", ".join(opened.host.names.all),
        **further.told(opened.host),
    }
    there = port_25.look(opened)
    record, journal = begin_record(opened, NOTEBOOK, TITLE, facts | port_25.told(there))
    chapter = KeyAndCsr(
        NOTEBOOK,
        TITLE,
        opened,
        record,
        journal,
        display.Text(""),
        key_bits=key_bits,
        there=there,
    )
    chapter.what_is_there = _what_is_there(chapter)
    return chapter


def _what_is_there(chapter: KeyAndCsr) -> display.Shown:
    rows: list[tuple[str, str]] = [
        (message("host"), f"{chapter.host.name}, {chapter.opened.system}"),
        (message("mode"), chapter.opened.mode_in_words),
    ]
    for host in chapter.host.by_certificate:
        with chapter.at_work():
            facts, seen = chapter.read(host)
        rows.append((further.named(message("names"), host), ", ".join(host.names.all)))
        rows += [
            (
                path.name,
                message("not there yet") if seen[path].is_absent else " ".join(seen[path].line.split()[:3]),
            )
            for path in chapter.paths(host).all
        ]
        rows += port_25.rows(chapter.there) if host is chapter.host else []
        if facts["key"].status == 0 and facts["key"].value:
            rows.append((further.named(message("key now"), host), facts["key"].value))
    return display.Table(("", message("now")), rows)
