"""How a host stands: its certificates' ends, disk against port, what changed since the last run, what is at work."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from cryptography import x509

from runbook_lib import inventory, remote
from runbook_lib.families.known import FAMILIES
from runbook_lib.inventory.purposes import MAIL
from runbook_lib.inventory.typed import apply_to
from runbook_lib.mail.certificates import of_ports
from runbook_lib.mail.certificates.of_ports import OnDisk
from runbook_lib.mail.configuration import asked_once
from runbook_lib.mail.configuration.journaled import SERVICES
from runbook_lib.mail.probes import Target
from runbook_lib.mail.probes.asker import Asker
from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stage
from runbook_lib.mail.probes.shown import shown
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.mail.probes.tls import Tls
from runbook_lib.pki.ledger import written
from runbook_lib.remote import drift, runs
from runbook_lib.remote.change import quote
from runbook_lib.remote.drift import Drifted
from runbook_lib.remote.facts import gather
from runbook_lib.remote.journal import FUNCTIONS
from runbook_lib.remote.runs import Standing
from runbook_lib.remote.vantage import HostItself
from runbook_lib.site_ca import barred, own_ca
from runbook_lib.site_ca.standing import Need
from runbook_lib.x509.certificate import spelled_serial

TIMEOUT_S = 20.0
LOOK_S = 180.0  # for all that is asked of a host and of its ports


@dataclass(frozen=True)
class End:
    """The last moment of one certificate, in UTC.

    Args:
        what: 'server certificate', 'intermediate' or 'root', with its name.
        at: as ISO 8601 has it.
        days: whole days left, negative where it is past.
    """

    what: str
    at: str
    days: int


@dataclass(frozen=True)
class ByName:
    """What one port shows to a client that asks by one name.

    Args:
        name: the name; '' for a client that sends none.
        serial: of the certificate in the handshake.
        untrusted: why such a client would refuse it; ''.
    """

    name: str
    serial: str
    untrusted: str


@dataclass(frozen=True)
class PortShown:
    """What one port shows, against the file that Postfix is told.

    Args:
        port: its number.
        serial: of the certificate in the handshake; '' where there was none.
        on_disk: serials in the files that it is told to show; empty where it is told none.
        obstacle: why nothing was shown; ''.
        untrusted: why a client would refuse it; ''.
        ends: along the path, the earliest first.
        unread: those of the files that have a certificate which cannot be read.
        barred: why what it shows, or what the file has, shall serve no more, by the own CA's ledger; ''.
        by_name: what it shows by each name of the inventory, and to a client that sends none.
        unasked: whether `obstacle` is no word about the server: our side did not ask, or was asked to wait.
        reads_ours: whether it is told the file that chapter 2 made; another one stays as somebody decided.
        purpose: which of the host's certificates it is to show.
        told_for: another one of them, whose file it is told in that one's place; ''.
    """

    port: int
    serial: str
    on_disk: tuple[str, ...]
    obstacle: str
    untrusted: str
    ends: tuple[End, ...]
    unread: tuple[str, ...] = ()
    barred: str = ""
    by_name: tuple[ByName, ...] = ()
    unasked: bool = False
    reads_ours: bool = False
    purpose: str = MAIL
    told_for: str = ""

    @property
    def chosen(self) -> tuple[ByName, ...]:
        """Names by which another certificate is shown than the file's, which is shown to a client without a name."""
        unnamed = next((one.serial for one in self.by_name if not one.name), "")
        if unnamed not in self.on_disk:
            return ()
        return tuple(one for one in self.by_name if one.name and one.serial not in self.on_disk)

    @property
    def differs(self) -> bool:
        """Whether it shows another certificate than the file has."""
        return bool(self.serial and self.on_disk) and self.serial not in self.on_disk


@dataclass(frozen=True)
class Overview:
    """How a host stands.

    Args:
        host: its name.
        standing: what is at work, and what the runs before left.
        ports: what each shows.
        file_serial: of the certificate that the chapters installed; '' where there is none.
        drift: what is no longer as a run of ours left it. A key or certificate that somebody replaced is among it,
            and needs a person only where a port does not show what the file has.
        days: what ends within so many days needs a person.
        needed: what a person has to do.
        further_serials: as `file_serial`, of the host's further certificates, by purpose.
        further_days: as `days`, by purpose.
    """

    host: str
    standing: Standing
    ports: tuple[PortShown, ...]
    file_serial: str
    drift: tuple[Drifted, ...]
    days: int
    needed: tuple[Need, ...]
    further_serials: Mapping[str, str] = field(default_factory=dict)
    further_days: Mapping[str, int] = field(default_factory=dict)

    @property
    def purposes(self) -> tuple[str, ...]:
        """What its certificates are for."""
        return (MAIL, *self.further_serials)

    def days_of(self, purpose: str) -> int:
        """What ends within so many days needs a person, of the ports of one certificate."""
        return self.further_days.get(purpose, self.days)

    def earliest_of(self, purpose: str) -> End | None:
        """The end that comes first, on a port of one certificate."""
        ends = (end for port in self.ports if port.purpose == purpose for end in port.ends)
        return min(ends, key=lambda end: end.at, default=None)

    @property
    def needs(self) -> tuple[str, ...]:
        """What a person has to do, in words."""
        return tuple(need.what for need in self.needed)

    @property
    def earliest(self) -> End | None:
        """The end that comes first, on any port."""
        return min((end for port in self.ports for end in port.ends), key=lambda end: end.at, default=None)


def look(book: inventory.Inventory, host: inventory.Host, days: int | None = None) -> Overview:
    """Look at a host: its journals, its files, and its ports from outside. Touches nothing there.

    Args:
        days: what ends within so many days needs a person; None: the inventory's `certificate.renew_days`.
    Raises:
        DeadlineExceeded: what the host says of itself did not come within LOOK_S.
    """
    connected = remote.connect(book.site, host)
    with connected.looking(LOOK_S) as deadline:
        return _look(book, host, days, connected, deadline)


def _look(
    book: inventory.Inventory,
    host: inventory.Host,
    days: int | None,
    connected: remote.Host,
    deadline: remote.Deadline,
) -> Overview:
    standing = runs.look(connected)
    ports = tuple(sorted({25, *host.submission.ports}))
    asked = {**drift.fact(SERVICES), **of_ports.facts(ports)}
    asked |= {_file_fact(one.purpose): _serial_in_file(one) for one in host.by_certificate}
    ahead = asked_once.lines(asked.values())
    facts = gather(connected, asked, root=True, functions=FUNCTIONS, fact_timeout_s=20, ahead=ahead)
    roots = own_ca.roots(book.site)
    askers = {one.purpose: _asker(book.site, one, connected, roots) for one in host.by_certificate}
    serials: dict[str, str] = {
        one.purpose: facts[_file_fact(one.purpose)].value.removeprefix("serial=")
        for one in host.by_certificate
    }
    own = x509.load_pem_x509_certificates(roots) if roots else []
    now = datetime.now(UTC)
    against = barred.barred(book.site)
    seen = []
    for port in ports:
        on_disk = of_ports.on_disk(facts[f"told_{port}"])
        if on_disk is None:
            continue  # it has no TLS yet, or no service
        shows = next(one for one in host.by_certificate if port in one.certificate_ports)
        asker = askers[shows.purpose]
        endpoint = Endpoint(address_of(host), port)
        answer = shown(asker, endpoint) if in_time(asker, deadline, TIMEOUT_S) else _OVER
        told = _port(port, answer, on_disk, own, now, against, shows.purpose)
        made_for = {
            family.key_directory / one.certificate.joined_file: one.purpose
            for family in FAMILIES
            for one in host.by_certificate
        }
        told_for = next((made_for[path] for path in on_disk.paths if path in made_for), "")
        # A smtpd that begins while its file is broken goes on without TLS: nothing more is asked of it then.
        by_name = (
            ()
            if isinstance(answer, Obstacle) or on_disk.unread or not in_time(asker, deadline, TIMEOUT_S)
            else _by_name(asker, endpoint, shows.names.all, answer)
        )
        reads_ours = told_for == shows.purpose
        other = "" if reads_ours else told_for
        seen.append(replace(told, by_name=by_name, reads_ours=reads_ours, told_for=other))
    drifted = drift.drifted(facts["drift"], SERVICES)
    limits: dict[str, int] = {
        one.purpose: one.certificate.renew_days if days is None else days for one in host.by_certificate
    }
    judged_by_port = {
        str(folder / file)
        for family in FAMILIES
        for folder in (family.key_directory, family.certificate_directory)
        for one in host.by_certificate
        for file in one.certificate.all_files
    }
    others = [one for one in drifted if one.what not in judged_by_port]
    needed = tuple(dict.fromkeys(_needed(standing, seen, serials, others, limits, apply_to(book, host))))
    serial, limit = serials.pop(MAIL), limits.pop(MAIL)
    return Overview(host.name, standing, tuple(seen), serial, drifted, limit, needed, serials, limits)


def _file_fact(purpose: str) -> str:
    return "file" if purpose == MAIL else f"file of {purpose}"


def _serial_in_file(host: inventory.Host) -> str:
    """A command that prints the serial of the certificate that the host is seen with, as the chapters installed it."""
    name = host.certificate.certificate_file
    files = " ".join(quote(family.certificate_directory / name) for family in FAMILIES)
    # On one family the other's directory leads to the same files.
    return f"for f in {files}; do if [ -e $f ]; then openssl x509 -in $f -noout -serial; exit; fi; done"


def _asker(site: inventory.Site, host: inventory.Host, connected: remote.Host, roots: bytes | None) -> Asker:
    """Who asks by the names of the certificate that the host is seen with."""
    asker = Asker(Target(name=host.names.smtp, domain=site.domain), TIMEOUT_S, HostItself(connected))
    if roots:
        for trusting in (asker.trusting, asker.trusting_any_name):
            trusting.load_verify_locations(cadata=roots.decode())
    return asker


_UNASKED = frozenset({Kind.NOT_ASKED, Kind.LIMITED})
_OVER = Obstacle(Stage.CONNECT, Kind.NOT_ASKED, "the time for looking at this host was over before")


def in_time(asker: Asker, deadline: remote.Deadline, timeout_s: float) -> bool:
    """Whether there is time for another conversation, which then ends with the deadline at the latest."""
    asker.timeout_s = min(timeout_s, deadline.left_s)
    return asker.timeout_s > 0


def address_of(host: inventory.Host) -> str:
    """Where its ports are asked: its address, else the name that users type."""
    try:
        return str(ipaddress.ip_address(host.address))
    except ValueError:
        return host.names.smtp  # the name for SSH may be one that a jump host alone knows


def _port(
    port: int,
    answer: Tls | Obstacle,
    on_disk: OnDisk,
    own: Sequence[x509.Certificate],
    now: datetime,
    against: Mapping[str, str],
    purpose: str = MAIL,
) -> PortShown:
    leaves = on_disk.leaves if isinstance(answer, Obstacle) else (answer.leaf, *on_disk.leaves)
    told = (
        f"{spelled_serial(leaf.serial_number)} {reason}"
        for leaf in leaves
        if (reason := barred.why(against, leaf))
    )
    forbidden = next(told, "")
    serials = tuple(spelled_serial(one.serial_number) for one in on_disk.leaves)
    unread = tuple(map(str, on_disk.unread))
    if isinstance(answer, Obstacle):
        ends = _ends(on_disk.certificates[:1], now, purpose)
        unasked = answer.kind in _UNASKED
        return PortShown(
            port, "", serials, answer.words, "", ends, unread, forbidden, unasked=unasked, purpose=purpose
        )
    path = answer.path or (*answer.sent, *(root for root in own if root.subject == answer.sent[-1].issuer))
    serial = spelled_serial(answer.leaf.serial_number)
    ends = _ends(path, now, purpose)
    return PortShown(port, serial, serials, "", answer.untrusted, ends, unread, forbidden, purpose=purpose)


def _by_name(asker: Asker, endpoint: Endpoint, names: Sequence[str], by_first: Tls) -> tuple[ByName, ...]:
    answers = [(names[0], by_first), *((name, shown(asker, endpoint, name)) for name in names[1:])]
    answers.append(("", shown(asker, endpoint, None)))
    return tuple(
        ByName(name, spelled_serial(answer.leaf.serial_number), answer.untrusted)
        for name, answer in answers
        if isinstance(answer, Tls)
    )


def _ends(path: Sequence[x509.Certificate], now: datetime, purpose: str) -> tuple[End, ...]:
    ends = []
    of_server = "server certificate" if purpose == MAIL else f"server certificate ({purpose})"
    for index, one in enumerate(path):
        is_root = index > 0 and one.subject == one.issuer
        kind = of_server if index == 0 else "root" if is_root else "intermediate"
        label = kind if index == 0 else f"{kind} {one.subject.rfc4514_string()}"
        ends.append(End(label, str(written(one.not_valid_after_utc)), (one.not_valid_after_utc - now).days))
    return tuple(sorted(ends, key=lambda end: end.at))


def _needed(
    standing: Standing,
    ports: Sequence[PortShown],
    file_serials: Mapping[str, str],
    drifted: Sequence[Drifted],
    days: Mapping[str, int],
    apply: str,
) -> Iterator[Need]:
    for port in ports:
        file_serial = file_serials[port.purpose]
        for path in port.unread:
            yield Need(
                f"{path} has a certificate that cannot be read: put the right file there, and reload Postfix",
                "broken",
            )
        if port.barred:
            yield Need(f"port {port.port} has {port.barred}: {apply} puts another in its place", "broken")
        if port.told_for:
            yield Need(
                f"port {port.port} is told the certificate for {port.told_for} in place of the one for {port.purpose}: "
                f"{apply} gives it its own",
                "broken" if port.purpose == MAIL else "due",  # users are shown a name that they did not type
            )
        if port.obstacle:
            yield Need(
                f"port {port.port} could not be asked: {port.obstacle}",
                "unknown" if port.unasked else "broken",
            )
        for end in port.ends:
            if end.days < days[port.purpose]:
                yield Need.of_end(end.what, end.days, end.at)
        chosen = {one.name for one in port.chosen}
        yield from _chosen_by_name(port)
        if chosen and port.by_name[0].name in chosen:
            pass  # what the file has is shown to who sends no name, so it was taken up
        elif port.differs and port.serial == file_serial and _is_ours(standing):
            yield Need(
                f"port {port.port} shows {port.serial}, as the certificate's file has it; the one that Postfix reads "
                f"has {', '.join(port.on_disk)}, which its next start would show: {apply} makes that file anew"
            )
        elif port.differs:
            yield Need(
                f"port {port.port} shows {port.serial}, the file has {', '.join(port.on_disk)}: "
                f"not taken up; {apply} reloads and proves it"
            )
        elif (
            port.reads_ours
            and file_serial
            and port.serial
            and _is_ours(standing)
            and port.serial != file_serial
        ):
            yield Need(
                f"port {port.port} shows {port.serial}, the certificate's file has {file_serial}: "
                f"not taken up; {apply} puts it into the file that Postfix reads, and proves it"
            )
    for one in drifted:
        yield Need(f"changed since run {one.run}: {one.what} (left: {one.left}; now: {one.now})")
    if standing.last and standing.last.open and not standing.changing:
        run = standing.last.run
        yield Need(
            f"perhaps half made by run {run}: {standing.last.open}; "
            f"runbook resume {run} makes it whole, runbook rollback {run} puts it back"
        )


def _chosen_by_name(port: PortShown) -> Iterator[Need]:
    """Certificates that are chosen by the name, for the name that users type, or such that a client refuses."""
    for one in port.chosen:
        if one.name == port.by_name[0].name or one.untrusted:
            refused = f", which clients refuse ({one.untrusted})" if one.untrusted else ""
            yield Need(
                f"port {port.port} shows {one.serial} to who asks by {one.name}{refused}, and what the file has "
                f"({', '.join(port.on_disk)}) to who sends no name: tls_server_sni_maps of main.cf chooses it; mend "
                "its entry for that name (postmap -F, then a reload), which no chapter does",
                "broken" if one.untrusted else "due",
            )


def _is_ours(standing: Standing) -> bool:
    return any(not run.is_back for run in standing.runs)
