"""Chapter 2: Postfix gets TLS on 25, 465 and 587, and SMTP AUTH through saslauthd and PAM."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

from runbook_lib import display, pictures
from runbook_lib.chapters import decisions, first_change, further, mail_state, port_25, progress
from runbook_lib.chapters.asking import DELIVERED_HERE, AskingChapter, domain_here
from runbook_lib.chapters.mail_state import firewall_facts
from runbook_lib.chapters.opening import begin_record, open_host
from runbook_lib.errors import ApplyRefused, RunbookError
from runbook_lib.inventory.purposes import MX, field_of
from runbook_lib.mail import selinux
from runbook_lib.mail.configuration.mail_files import MailFiles
from runbook_lib.mail.configuration.state import MailState, candidates
from runbook_lib.mail.differences import judged
from runbook_lib.mail.flow import MailFlow, ports_to_sample
from runbook_lib.mail.probes.row import Row
from runbook_lib.mail.target import chapter_plans, logins, pairs, postfix, restrictions, services, trial
from runbook_lib.messages import joined, message
from runbook_lib.remote.change import Plan
from runbook_lib.remote.facts import gather

TITLE = "2 Postfix with TLS and SMTP AUTH · Postfix をTLSでの暗号化ができるように設定"


@dataclass(repr=False)
class SampledChapter(AskingChapter):
    """Begins to sample before its first change, and ends with its summary or its failure."""

    _flow: MailFlow | None = None

    def sampled(self, state: MailState) -> None:
        """Begin to sample, once, before anything is changed, where mail is taken by now."""
        if self._flow is None and not self._numbers:
            ports = ports_to_sample(state)
            self._flow = MailFlow.start(self.host.address, self.host.name, ports, self._recipient())

    def _recipient(self) -> str:
        """A real one, as other servers have them: the account for checks, else the domain's postmaster."""
        account, site = self.host.check_account, self.opened.inventory.site
        if account is None:
            return f"postmaster@{site.domain}"
        here = domain_here(site.domain, gather(self.remote, DELIVERED_HERE))
        return f"{account.user.partition('@')[0]}@{here or site.domain}"

    def summary(self) -> display.Shown:
        """As every chapter's, with what came back meanwhile."""
        self._end_sampling()
        return super().summary()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """As every chapter's; what came back until a failure is in the record, too."""
        with super().at_work():
            try:
                yield
            except (RunbookError, KeyboardInterrupt):
                self._end_sampling()
                raise

    def _end_sampling(self) -> None:
        flow, self._flow = self._flow, None
        if flow is None:
            return
        ports = flow.stop()
        self.record.add_flow([asdict(port) for port in ports])
        self._meanwhile = [(message("mail flow"), port.told) for port in ports]


@dataclass(repr=False)
class Postfix(SampledChapter):
    """The chapter's own plans and claims; what is there is read anew before each plan."""

    _earlier: list[Plan] = field(default_factory=list)
    _tried: bool = False

    def read(self) -> MailState:
        """Postfix and SASL as they are now."""
        return mail_state.read(self.opened)

    def differences(self) -> display.Shown:
        """What differs from what the package leaves: kept, or a person's decision."""
        with self.at_work():
            found = judged.found(self.read())
            self.tell_open(found)
        if not found:
            return display.Text(
                message("Nothing here differs from what the package leaves, but for what this runbook made.")
            )
        return decisions.shown(found, self.host)

    def foreseen(self) -> tuple[Plan, ...]:
        """All but a firewall's, and taking it up."""
        return chapter_plans.all_of(self.read())

    def made_ready(self, plan: Plan) -> Plan:
        """Before the first change: nothing that a person has to decide may be left, and there must be a certificate."""
        if not self._numbers or not self._tried:
            state = self.read()
            if not self._numbers:
                _refuse(state)
            self._try(state)
            self.sampled(state)
        return plan

    def _try(self, state: MailState) -> None:
        """Once, as soon as there is a Postfix: whether smtpd takes what it will have to read."""
        if self._tried or not state.installed:
            return
        self._tried = True
        if told := first_change.tried(self.opened, state):
            self.record.add_note(told)

    @property
    def unfinished(self) -> str:
        """A process of Postfix reads main.cf when it begins; all of them read everything at a reload (postfix(1))."""
        if self._planned[-1].title == postfix.TAKING_UP:
            return super().unfinished
        return message("Postfix has not taken up all of it, and nothing is verified yet")

    def show_logins(self) -> display.Shown:
        """Who checks a password: a picture of this chapter's own way, or who does it here already."""
        with self.at_work():
            other = logins.other_login(self.read())
        if other is not None:
            return display.Text(other.told)
        family = self.opened.family
        root = "/var/spool/postfix" if family.chroot == "y" else ""
        socket = f"{family.saslauthd_socket_directory}/mux".removeprefix(root)
        return pictures.authentication(root, socket, family.saslauthd_group)

    def plan_packages(self) -> Plan:
        """Packages that are missing."""
        with self.at_work():
            return self._kept(chapter_plans.packages(self.read()))

    def plan_alternative(self) -> Plan:
        """Postfix as the system's mail server, where the system has a choice of them."""
        with self.at_work():
            return self._kept(self._own(chapter_plans.alternative(self.read())))

    def plan_sasl(self) -> Plan:
        """SMTP AUTH through saslauthd and PAM."""
        with self.at_work():
            return self._kept(chapter_plans.sasl(self.read()))

    def plan_joined_file(self) -> Plan:
        """Key and chain in the one file that Postfix reads."""
        with self.at_work():
            return self._kept(chapter_plans.joined(self.read()))

    def show_settings(self) -> display.Table:
        """Every entry of main.cf that this chapter decides, with what is there, since when, and why."""
        with self.at_work():
            settings = postfix.settings(self.read())
        rows = [
            (
                s.name,
                message("not set") if s.before is None else s.before,
                message("not set") if s.after is None else s.after,
                s.since,
                s.why,
            )
            for s in settings
        ]
        heads = (
            message("setting"),
            message("now"),
            message("will be"),
            message("since"),
            message("why"),
        )
        return display.Table(heads, rows)

    def plan_settings(self) -> Plan:
        """main.cf."""
        with self.at_work():
            plan = chapter_plans.settings(self.read())
            if plan.changes and not self.is_apply:
                plan = replace(plan, notes=(*plan.notes, trial.TOLD))
            return self._kept(plan)

    def show_services(self) -> display.Table:
        """The submission services, option by option; then what becomes of each restriction that is in use."""
        with self.at_work():
            state = self.read()
            lines = services.services(state)
            missing = (
                message("is not made here") if chapter_plans.services(state).withheld else message("is made")
            )
        rows: list[tuple[str, ...]] = []
        for service in lines:
            rows.append(
                (service.name, service.why, message("as wanted") if service.is_as_wanted else missing)
            )
            rows += [("", f"-o {option}", "") for option in (service.after or "").split(" -o ")[1:]]
        for listed in restrictions.judge(state):
            rows.append((listed.parameter, listed.told, ""))
            rows += [("", joined(": ", (one.element.text, one.why)), one.fate) for one in listed.elements]
        return display.Table((message("service"), message("options"), message("now")), rows)

    def plan_services(self) -> Plan:
        """master.cf."""
        with self.at_work():
            return self._kept(chapter_plans.services(self.read()))

    def plan_firewall(self) -> Plan:
        """What the host's firewall does not let in yet, where this runbook opens it."""
        with self.at_work():
            facts = firewall_facts(self.opened)
            return self._kept(
                self._own(None if facts is None else chapter_plans.firewall(self.read(), facts))
            )

    def _own(self, plan: Plan | None) -> Plan:
        if plan is None:
            raise ApplyRefused(
                message("{family} has no such step", family=self.opened.family.name),
                f"{self.host.name}, {self.notebook}",
                message(
                    "open {chapter}.ipynb for this host",
                    chapter=self.opened.family.postfix_chapter,
                ),
            )
        return plan

    def plan_taking_up(self) -> Plan:
        """A reload where something is not taken up yet."""
        with self.at_work():
            earlier = [] if self.is_apply else self._earlier  # what was applied shows on the host itself
            return self.plan(chapter_plans.taking_up(self.read(), earlier, self._earlier))

    def ask_labels(self) -> display.Shown:
        """Each file has the SELinux label that the policy gives its place; 'not tested' without SELinux."""
        paths = (
            *chapter_plans.paths(self.opened.family),
            *(path for one in self.host.by_certificate for path in MailFiles.of(self.opened.family, one).all),
        )
        return self._ask_selinux(selinux.LABELS, lambda: selinux.label_rows(self.remote, paths))

    def ask_denials(self) -> display.Shown:
        """SELinux has refused Postfix and saslauthd nothing since this chapter began; 'not tested' without SELinux."""
        return self._ask_selinux(
            selinux.DENIALS, lambda: selinux.denial_rows(self.remote, self.opened.began_s)
        )

    def _ask_selinux(self, claim: str, measure: Callable[[], list[Row]]) -> display.Shown:
        if not self.opened.has_selinux:
            self.record.add_verify(claim, [], "not tested")
            return display.Text(
                message("Not tested: SELinux is disabled on this host.")
                if self.opened.selinux
                else message("Not tested: SELinux is not there on this host.")
            )
        return self.verify(claim, measure)

    def _kept(self, plan: Plan) -> Plan:
        self._earlier.append(plan)
        return self.plan(plan)


def _refuse(state: MailState) -> None:
    """Refuse what a person has to decide or to put right first; nothing was changed.

    Raises:
        ApplyRefused: with each of it, or since there is no certificate.
    """
    decisions.refuse_open(judged.found(state), state.host)
    postfix.refuse_packages(state)
    pairs.check(state)
    there = state.certificate
    for one in () if there and there.serves else state.by_certificate:
        if not one.facts["certificate_serial"].value:
            raise ApplyRefused(
                message("there is no certificate at {file}", file=one.files.certificate),
                state.host.name,
                message("run chapters 1-1 and 1-2 first"),
            )
    if len(state.by_certificate) > 1 and logins.auth_on_25_stays(state, logins.other_login(state)):
        raise ApplyRefused(
            message(
                "port 25 takes logins (smtpd_sasl_auth_enable = yes in main.cf), and {field} would have it show a "
                "certificate without the name that users type",
                field=field_of(MX),
            ),
            state.host.name,
            message(
                "leave {field} out, or have users log in on 465 or 587 and take that entry out of main.cf",
                field=field_of(MX),
            ),
        )


@progress.shown(progress.OPENING)
def open(  # noqa: A001 - a cell reads `postfix.open(…)`
    inventory: str,
    host: str,
    mode: str = "",
    reason: str = "",
    notebook: str = "20-postfix-debian",
    chosen_for: str = "",
    plan: str = "",
) -> Postfix:
    """Open the chapter on a host: connect, read, begin the record. Nothing is changed.

    Args:
        inventory, host, mode, reason: as in every chapter.
        notebook: which of the two Postfix notebooks this is.
        chosen_for: a Postfix version ('3.5') to choose settings for in place of the host's own, on lab hosts alone:
            how versions that cannot be had are tried as far as that goes.
        plan: digest of the plan that this is bound to; '': of none.
    Raises:
        ApplyRefused: the host belongs to another family than the notebook, or is no lab host and has `chosen_for`.
    """
    opened = open_host(notebook, frozenset(), inventory, host, mode, reason, plan)
    if chosen_for:
        if not opened.lab:
            raise ApplyRefused(
                message("chosen_for is for lab hosts alone"),
                f"{opened.host.name}, {notebook}",
                message("leave it out: settings are chosen for the version that the host has"),
            )
        major, minor = chosen_for.split(".")
        opened = replace(opened, chosen_for=(int(major), int(minor)))
    if opened.family.postfix_chapter != notebook:
        raise ApplyRefused(
            message("this chapter is not for {family}", family=opened.family.name),
            f"{opened.host.name}, {notebook}",
            message("open {chapter}.ipynb for this host", chapter=opened.family.postfix_chapter),
        )
    state = mail_state.read(opened)
    looked_after = chapter_plans.owned(state).told()
    facts = {
        "family": opened.family.name,
        "release": opened.release.version_id,
        "postfix": state.version_text,
        "main_cf": "\n".join(f"{name} = {value}" for name, value in state.main_cf.items())
        if state.installed
        else "",
        "looked_after_by": looked_after or message("nobody was found who owns these files"),
        "decisions": "\n".join(f"{one.about}: {one.decide} ({one.reason})" for one in opened.host.decisions),
        "saslauthd": state.facts["saslauthd_masters"].value,
        "candidates": candidates(state),
    }
    certificate = state.certificate
    facts |= port_25.told(certificate) | further.told(opened.host)
    record, journal = begin_record(opened, notebook, TITLE, facts)
    version: str = ".".join(map(str, state.version))
    if not state.installed:
        version = message("{version} will come with the package", version=version)
    if opened.chosen_for:
        version = state.version_text
    rows: list[tuple[str, str]] = [
        (message("host"), f"{opened.host.name}, {opened.system}"),
        (message("mode"), opened.mode_in_words),
        ("Postfix", version),
        (message("packages missing"), ", ".join(state.missing_packages) or message("none")),
        (message("submission ports wanted"), ", ".join(map(str, opened.host.submission.ports))),
        (message("port 25"), port_25.in_words(state)),
    ]
    other = logins.other_login(state)
    if other is not None:
        rows.append((message("logins"), other.told))
    if opened.facts["crypto_policy"].value:
        policy = opened.facts["crypto_policy"].value
        told = message("{policy}; it does not reach smtpd, so main.cf says the floor", policy=policy)
        rows.append((message("crypto policy"), told))
    if opened.family.mta_program is not None:
        rows.append(("SELinux", opened.selinux or message("not there")))
    rows += [(message("its certificate"), certificate.why)] if certificate and certificate.stays else []
    for one in opened.host.by_certificate[1:]:
        ports = ", ".join(map(str, one.certificate_ports))
        label = message("port {ports} shows a certificate of its own", ports=ports)
        rows.append((label, ", ".join(one.names.all)))
    rows += [(message("looked after by"), line) for line in looked_after.splitlines()]
    table = display.Table(("", message("now")), rows)
    return Postfix(notebook, TITLE, opened, record, journal, table)
