"""What the client chapters (3-1, 3-2) have in common: settings from the inventory and the server, files for users."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from runbook_lib import clients, display
from runbook_lib.chapters import own_ca
from runbook_lib.chapters.asking import survey_of
from runbook_lib.chapters.opening import Opened, begin_record, open_host
from runbook_lib.chapters.resting import RestingChapter
from runbook_lib.clients import ClientSettings, Guide
from runbook_lib.mail.probes import Row, Survey, Verdict
from runbook_lib.mail.probes.byhand import certificate as by_hand
from runbook_lib.mail.probes.tls import covers, dns_names
from runbook_lib.records.files import write_atomically

C = TypeVar("C", bound="ClientChapter")
FILES_FOLDER = "for-users"
_NO_CA = "Not made yet: there is no CA. Chapter 1-2 makes it; then run this chapter again."


@dataclass(repr=False)
class ClientChapter(RestingChapter):
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
        """Ask each port for its certificate, and look for every name of the page in it (F5)."""
        settings = self.settings
        wanted = () if settings is None else tuple(filter(None, (settings.smtp_name, settings.pop_name)))

        def every_name_of_the_page_is_in_the_certificate(survey: Survey) -> list[Row]:
            claim = "every name of the page is in the certificate that the server shows"
            rows = []
            for sight in survey.sights(self.host.submission.ports):
                missing = [name for name in wanted if sight.tls and not covers(sight.tls.leaf, name)]
                if sight.tls is None:
                    judged = Verdict.UNTESTED, "no certificate was shown"
                elif missing:
                    judged = Verdict.FAIL, f"not in it: {', '.join(missing)}"
                else:
                    judged = Verdict.PASS, f"in it: {', '.join(wanted)}"
                command = by_hand(sight.endpoint, survey.target, "-ext", "subjectAltName")
                rows.append(survey.row(claim, sight.endpoint, judged, command))
            return rows

        return self.ask(every_name_of_the_page_is_in_the_certificate)

    def write_files(self) -> display.Shown:
        """Write what users get beside the record; the files hold no secret."""
        if self.settings is None:
            return display.Text(_NO_CA)
        if self.client not in self.host.clients:
            return display.Text(f"No page was written: no user has {self.client}, by the inventory.")
        files = clients.files_for_users(self.settings, (self.client,))
        folder = self.record.path.parent / FILES_FOLDER
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            write_atomically(folder / name, content)
        self.record.add_note(f"Files for users, in {FILES_FOLDER}: {', '.join(files)}")
        rows = [(name, _FOR.get(name.rpartition(".")[2], "")) for name in files]
        return display.Table((f"in {FILES_FOLDER}, beside the record", "is"), rows)


_FOR = {
    "html": "the settings page: open it in a browser, print it, hand it to users",
    "cer": "the CA's certificate, for users to import",
    "xml": "for a web server: Thunderbird sets the account up from it",
}


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
    survey = survey_of(opened)
    shown = _shown_names(survey, opened)
    rows = [
        ("host", f"{opened.host.name}, {opened.system}"),
        ("name for sending", opened.host.names.smtp),
        ("ports for users", ", ".join(map(str, opened.host.submission.ports))),
        ("names in its certificate", ", ".join(shown) or "none is shown yet"),
        ("users have this client", "yes" if client in opened.host.clients else "no, by the inventory"),
    ]
    record, journal = begin_record(opened, notebook, title, dict(rows))
    made = chapter(notebook, title, opened, record, journal, display.Table(("", ""), rows), client=client)
    made._survey = survey
    with made.at_work():
        names = shown if shown and made.is_apply else opened.host.names.all
        ca = own_ca.roots(opened.inventory.site)
        is_public = _is_public(survey, opened, shown=bool(shown))
        if ca or is_public:
            trusted = None if is_public else ca
            made.settings = clients.settings_for(opened.inventory.site, opened.host, trusted, names)
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
    names = [dns_names(tls.leaf) for tls in seen]
    return tuple(name for name in names[0] if all(name in others for others in names)) if names else ()
