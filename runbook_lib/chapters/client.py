"""What the client chapters (3-1, 3-2) have in common: settings from the inventory and the server, files for users."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from runbook_lib import clients, display, inventory
from runbook_lib.chapters import progress
from runbook_lib.chapters.asking import look_with_others
from runbook_lib.chapters.depends_on_postfix import DependsOnPostfix
from runbook_lib.chapters.opening import Opened, begin_record, open_host
from runbook_lib.clients import ClientSettings, Guide
from runbook_lib.mail.configuration import bare_newlines
from runbook_lib.mail.probes import Row, Survey, Verdict
from runbook_lib.mail.probes.byhand import certificate as by_hand
from runbook_lib.mail.probes.certificate import asked_by
from runbook_lib.mail.probes.tls import Tls
from runbook_lib.messages import message
from runbook_lib.records.files import write_atomically
from runbook_lib.remote.facts import gather
from runbook_lib.site_ca import own_ca
from runbook_lib.x509 import dns_id

C = TypeVar("C", bound="ClientChapter")
FILES_FOLDER = "for-users"
_NO_CA = message("Not made yet: there is no CA. Chapter 1-2 makes it; then run this chapter again.")


@dataclass(repr=False)
class ClientChapter(DependsOnPostfix):
    """Shows what users set, asks the server whether it is true, and writes the files that they get."""

    reads_only: ClassVar[bool] = True
    client: str = ""
    settings: ClientSettings | None = field(default=None, repr=False)

    @property
    def guide(self) -> Guide | None:
        """What the page says; None where there is no page."""
        return clients.CLIENTS[self.client](self.settings) if self.settings else None

    def _shown(self, part: Callable[[Guide], display.Shown]) -> display.Shown:
        guide = self.guide
        return part(guide) if guide else display.Text(_NO_CA)

    def findings(self) -> display.Shown:
        """Clients of the inventory that this server's settings shut out."""
        if self.settings is None:
            return display.Text(_NO_CA)
        return clients.findings_shown(self.settings, self.host.clients)

    def values(self) -> display.Shown:
        """What users enter."""
        return self._shown(Guide.values_shown)

    def trust(self) -> display.Shown:
        """How the client comes to trust the CA."""
        return self._shown(Guide.trust_shown)

    def steps(self) -> display.Shown:
        """The way to the values."""
        return self._shown(Guide.steps_shown)

    def troubles(self) -> display.Shown:
        """What users see when something is wrong."""
        return self._shown(Guide.troubles_shown)

    def instead(self) -> display.Shown:
        """What took the client's place."""
        return self._shown(Guide.instead_shown)

    def ask_names(self) -> display.Shown:
        """Ask each port for its certificate, by every name of the page, and look for that in it."""
        settings = self.settings
        wanted = () if settings is None else tuple(filter(None, (settings.smtp_name, settings.pop_name)))

        def every_name_of_the_page_is_in_the_certificate(survey: Survey) -> list[Row]:
            claim = message("every name of the page is in the certificate that the server shows")
            rows = []
            ports = self.host.submission.ports
            answering = [at for at in survey.one_each(ports) if survey.sight(at).tls]
            others = {
                name: {at.port: one for at, one in asked_by(survey, answering, name)}
                for name in wanted
                if name != survey.target.name
            }
            for sight in survey.sights(ports):
                shown = {name: others.get(name, {}).get(sight.endpoint.port, sight.tls) for name in wanted}
                missing = [
                    name
                    for name, one in shown.items()
                    if not (isinstance(one, Tls) and dns_id.covers(one.leaf, name))
                ]
                if sight.tls is None:
                    judged = Verdict.UNTESTED, message("no certificate was shown")
                elif missing:
                    judged = Verdict.FAIL, message("not in it: {names}", names=", ".join(missing))
                else:
                    judged = Verdict.PASS, message("in it: {names}", names=", ".join(wanted))
                command = by_hand(sight.endpoint, survey.target, "-ext", "subjectAltName")
                rows.append(survey.row(claim, sight.endpoint, judged, command))
            return rows

        return self.ask(every_name_of_the_page_is_in_the_certificate)

    def write_files(self) -> display.Shown:
        """Write what users get beside the record; the files hold no secret."""
        if self.settings is None:
            return display.Text(_NO_CA)
        if self.client not in self.host.clients:
            return display.Text(
                message("No page was written: no user has {client}, by the inventory.", client=self.client)
            )
        files = clients.files_for_users(self.settings, (self.client,))
        folder = self.record.path.parent / FILES_FOLDER
        for name, content in files.items():
            write_atomically(folder / name, content, mode=0o644)  # to be copied to where users fetch them
        self.record.add_note(
            message("Files for users, in {folder}: {files}", folder=FILES_FOLDER, files=", ".join(files))
        )
        rows = [(name, _FOR.get(name.rpartition(".")[2], "")) for name in files]
        table = display.Table(
            (message("in {folder}, beside the record", folder=FILES_FOLDER), message("is")), rows
        )
        told = one_alone_is_served(self.opened.inventory, self.host) if _SETS_UP in files else ""
        if not told:
            return table
        self.record.add_note(told)
        return display.Parts([table, display.Text(told)])


def one_alone_is_served(book: inventory.Inventory, host: inventory.Host) -> str:
    """What to say where the inventory makes the same file for several hosts; '' where it makes one.

    Programs ask `autoconfig.DOMAIN` for a user's address, and get one answer for the whole domain.

    Args:
        host: the one for which it is made now.
    """
    others = [one.name for one in book.others(host.name) if one.has_pop and "thunderbird" in one.clients]
    if not others:
        return ""
    domain = book.site.domain
    return message(
        "{file} is made for {others}, too, and one alone can be served: autoconfig.{domain} gives the "
        "same file to every user of {domain}. This one names {smtp} and {pop}. Publish that of "
        "the server which the domain's users have; users of another one set their accounts up by its page.",
        file=_SETS_UP,
        others=", ".join(others),
        domain=domain,
        smtp=host.names.smtp,
        pop=host.names.pop,
    )


_SETS_UP = "config-v1.1.xml"
_FOR = {
    "html": message("the settings page: open it in a browser, print it, hand it to users"),
    "cer": message("the CA's certificate, for users to import"),
    "xml": message("for a web server: Thunderbird sets the account up from it"),
}


@progress.shown(progress.OPENING)
def open_client(
    chapter: type[C],
    notebook: str,
    title: str,
    client: str,
    inventory_name: str,
    host_name: str,
    mode: str,
    reason: str,
) -> C:
    """Open a client's chapter: connect, look at the certificate that users are shown, begin the record.

    The page is made for what the server shows. Where it shows nothing yet, and in plan mode, for what the
    inventory grants: a plan is about the server as it will be.

    Raises:
        NameNotCovered: the server shows a certificate without a name that users would type.
    """
    opened = open_host(notebook, frozenset(), inventory_name, host_name, mode, reason)
    look = look_with_others(opened, notebook)
    survey = look.survey
    shown = _shown_names(survey, opened)
    is_used = client in opened.host.clients
    rows: list[tuple[str, str]] = [
        (message("host"), f"{opened.host.name}, {opened.system}"),
        (message("name for sending"), opened.host.names.smtp),
        (message("ports for users"), ", ".join(map(str, opened.host.submission.ports))),
        (message("names in its certificate"), ", ".join(shown) or message("none is shown yet")),
        (message("users have this client"), message("yes") if is_used else message("no, by the inventory")),
    ]
    record, journal = begin_record(opened, notebook, title, dict(rows))
    made = chapter(notebook, title, opened, record, journal, display.Table(("", ""), rows), client=client)
    with made.at_work():
        made.take_over(look)
        names = shown if shown and made.is_apply else opened.host.names.all
        ca = own_ca.roots(opened.inventory.site)
        is_public = _is_public(survey, opened, shown=bool(shown))
        if ca or is_public:
            trusted = None if is_public else ca
            facts = gather(opened.remote, bare_newlines.FACTS, root=True)
            bare = bare_newlines.on_submission(facts, opened.host.submission.ports)
            made.settings = clients.settings_for(opened.inventory.site, opened.host, trusted, names, bare)
    return made


def _is_public(survey: Survey, opened: Opened, *, shown: bool) -> bool:
    """Whether users' programs trust what they are shown as it is; of a server as it will be, the inventory says so."""
    kept = survey.target.kept
    if kept and kept.for_users:
        return True
    if opened.host.certificate.is_public and not (shown and opened.mode == "apply"):
        return True
    return shown and survey.target.expected_serial is not None and survey.target.ca_pem is None


def _shown_names(survey: Survey, opened: Opened) -> tuple[str, ...]:
    """DNS names that every submission port's certificate has; empty where none shows one."""
    seen = [sight.tls for sight in survey.sights(opened.host.submission.ports) if sight.tls]
    names = [dns_id.of(tls.leaf) for tls in seen]
    return tuple(name for name in names[0] if all(name in others for others in names)) if names else ()
