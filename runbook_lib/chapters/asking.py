"""Who asks what of a host from outside: the target that inventory and host make together."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from runbook_lib import credentials, display
from runbook_lib.chapters import mail_state, one_look
from runbook_lib.chapters.chapter import Chapter
from runbook_lib.chapters.one_look import Look
from runbook_lib.chapters.opening import Opened
from runbook_lib.errors import RecordError
from runbook_lib.families.known import FAMILIES
from runbook_lib.inventory import Host as InventoryHost
from runbook_lib.mail import selinux
from runbook_lib.mail.configuration import asked_once
from runbook_lib.mail.configuration.mail_files import MailFiles
from runbook_lib.mail.probes import Account, Kept, Row, Survey, Target, asked
from runbook_lib.mail.probes.host_view import ShellHostView
from runbook_lib.mail.target import logins, versions
from runbook_lib.messages import joined, message
from runbook_lib.records import current_run, root
from runbook_lib.records.index import read_run
from runbook_lib.records.model import Change, RecordData
from runbook_lib.remote.change import quote
from runbook_lib.remote.facts import Fact, gather
from runbook_lib.remote.vantage import HostItself
from runbook_lib.site_ca import barred, own_ca
from runbook_lib.x509 import trusted_roots

UNCHANGED = message("nothing that logins rest on was changed by this run")
LEFT_TO_THE_LAST = message(
    "not sent by this chapter: the verification sends it where the run changed what logins rest on"
)

# What of main.cf and master.cf says who may log in, where, and who checks it.
_OPTION = re.compile(
    r"[a-z_]*(?:sasl|tls_auth_only)[a-z_]*(?:=\S*| = .*)|\S*saslauthd\S*|pwcheck\S*|mech_list.*"
)
_WHOLE = ("Packages", "SMTP AUTH")  # plans of chapter 2 that are about nothing else, or about who knows

DELIVERED_HERE = {"mydestination": "postconf -hx mydestination", "myhostname": "postconf -h myhostname"}


def domain_here(domain: str, facts: Mapping[str, Fact]) -> str:
    """The mail domain where Postfix delivers that on this host itself, else the host's own name.

    Args:
        domain: the site's mail domain.
        facts: with the answers to `DELIVERED_HERE`.
    """
    domains = facts["mydestination"].value.replace(",", " ").split()
    return domain if domain in domains else facts["myhostname"].value


@dataclass(repr=False)
class AskingChapter(Chapter):
    """A chapter whose claims are asked from outside; they share one look at the server.

    In a batch the chapters share it too, while it is good (see `one_look`); one that `asks_itself` does not.
    """

    asks_itself: ClassVar[bool] = False
    _survey: Survey | None = None

    def ask(self, claim: Callable[[Survey], list[Row]]) -> display.Shown:
        """Ask one claim of `runbook_lib.mail.probes`; where it is reached and wrong, put back what was changed.

        Raises:
            VerificationFailed: as `verify`.
        """

        def measure() -> list[Row]:
            if self._survey is None:
                self._wait_for_smtpd()
                self._survey = (
                    survey_of(self.opened)
                    if self.asks_itself
                    else self.take_over(look_with_others(self.opened, self.notebook))
                )
            rows = asked(self._survey, claim)
            if self.opened.has_selinux:
                rows = selinux.explained(rows, self.remote, self.opened.began_s)
            return rows

        return self.verify(claim.__name__.replace("_", " "), measure)

    def take_over(self, look: Look) -> Survey:
        """Judge by this look from now on; where another chapter took it, the record says so."""
        self._survey = look.survey
        if look.chapter != self.notebook:
            self.record.add_note(
                message(
                    "The look at the ports is that of {chapter}, begun at {time}: this run changed nothing on the host "
                    "since.",
                    chapter=look.chapter,
                    time=look.began.isoformat(timespec="seconds"),
                )
            )
        return look.survey

    def _wait_for_smtpd(self) -> None:
        """What kept smtpd from starting before this chapter changed it says nothing about the port as it is now."""
        waited = ShellHostView(self.remote).wait_while_throttled() if self._numbers else 0
        if waited:
            self.record.add_note(
                message(
                    "Waited {seconds} s before asking: Postfix lets an smtpd that died wait for a minute.",
                    seconds=waited,
                )
            )


def survey_of(opened: Opened, ports: Sequence[int] = (), *, unasked: str | None = None) -> Survey:
    """A new look at a host, by the name that its users type, trusting what they trust.

    Args:
        opened: the host.
        ports: the ports to ask; none: 25 and those where the inventory has users submit mail.
        unasked: why no wrong password of the account for checks is sent, empty where one is; None: as the run has it,
            in which it is sent where the run changed what logins rest on, or has no chapter that could.
    """
    return _survey(opened, *wanted_of(opened, ports, unasked))


def look_with_others(opened: Opened, chapter: str) -> Look:
    """The look that another chapter of the batch has just taken, where it is good; else a new one, for others too.

    No wrong password is sent with it.

    Args:
        opened: the host.
        chapter: who asks, by its notebook.
    """
    target, own_networks = wanted_of(opened, unasked=LEFT_TO_THE_LAST)
    found = one_look.kept(opened.remote, target)
    return found or one_look.keep(opened.remote, _survey(opened, target, own_networks), chapter)


def _survey(opened: Opened, target: Target, own_networks: str) -> Survey:
    return Survey(target, ShellHostView(opened.remote, mynetworks=own_networks), HostItself(opened.remote))


def wanted_of(opened: Opened, ports: Sequence[int] = (), unasked: str | None = None) -> tuple[Target, str]:
    """What is asked of a host, with what is expected of it; and which networks it counts to its own.

    The serial expected on each port is that of the certificate file on the host; the account for checks gets its
    mail at the mail domain where Postfix delivers that here, else at the host's own name. It logs in by the form of its
    name that the inventory's realm documents, and once by the other one. A login that somebody else
    set up is taken with the mechanisms that it has, and AUTH on 25 with it.
    """
    host, site = opened.host, opened.inventory.site
    files = MailFiles.of(opened.family, host)
    wanted = {
        **files.facts,
        "certificate": f"cat {quote(files.certificate)}",
        **DELIVERED_HERE,
        **versions.FACTS,
        "mynetworks": "postconf -hx mynetworks 2>/dev/null || postconf -h mynetworks",
    }
    facts = gather(opened.remote, wanted, root=True, ahead=asked_once.lines(wanted.values()))
    state = mail_state.read(opened)
    policy = opened.facts["crypto_policy"].value
    beside = message("the crypto policy ({policy}) does not reach smtpd", policy=policy) if policy else ""
    other = logins.other_login(state)
    as_found = other is not None and other.works
    leaf = facts["certificate"].value.encode() + b"\n"
    has_leaf = facts["certificate_serial"].status == 0 and facts["certificate_serial"].value != ""
    there = state.certificate
    kept = None
    if there and there.stays:
        ports_of_it = (25, *host.submission.ports) if there.serves else (25,)
        kept = Kept(there.found.leaves, ports_of_it, there.serves, joined("; ", there.reasons))
        if (named := host.port_25.ca_file) is not None:
            remedy = f"name the root of the CA of port 25, hosts.{host.name}.port_25.ca_file, or leave it out"
            kept = replace(kept, ca_pem=trusted_roots.in_file(Path(named), remedy), ca_file=named)
    trusted = own_ca.roots_for(site, leaf, str(files.certificate)) if has_leaf else own_ca.roots(site)
    if there and there.serves:
        trusted = None
    account = None
    if host.check_account is not None:
        here = domain_here(site.domain, facts)
        user, _, realm = host.check_account.user.partition("@")
        with_domain = f"{user}@{realm or host.sasl.realm or site.domain}"
        documented, other_form = (with_domain, user) if realm or host.sasl.realm else (user, with_domain)
        account = Account(
            documented,
            credentials.resolve(
                host.check_account.password,
                f"{host.name}, check_account.password",
                max_bytes=credentials.LOGIN_PASSWORD_MAX_BYTES,
            ),
            f"{user}@{here}" if here else "",
            other_form="" if as_found else other_form,
            unasked=why_unasked(host.name) if unasked is None else unasked,
        )
    target = Target(
        name=host.names.smtp,
        domain=site.domain,
        ports=(25, *host.submission.ports),
        ca_pem=trusted,
        ca_file=own_ca.root_file(site, leaf if has_leaf and trusted else None, str(files.certificate)),
        expected_serial=facts["certificate_serial"].value if has_leaf else None,
        barred=barred.barred(site),
        kept=kept,
        expected_names=tuple(name for name in host.names.all if name != host.names.smtp),
        warn_days=host.certificate.renew_days,
        resolver=site.resolver,
        account=account,
        mechanisms=None if as_found else ("PLAIN", "LOGIN"),
        asks_at="" if as_found else f"{opened.family.saslauthd_socket_directory}/mux",
        tls_floor_on_25=host.submission.floor_on_25,
        auth_on_25=host.submission.auth_on_25 or (None if logins.auth_on_25_stays(state, other) else False),
    )
    apart = tuple(_apart(opened, one) for one in host.by_certificate[1:])
    target = replace(target, versions=versions.of_ports(state, target.ports, facts, beside), apart=apart)
    if ports:
        target = replace(target, ports=tuple(ports))
    return target, facts["mynetworks"].value


def _apart(opened: Opened, host: InventoryHost) -> Target:
    """What is expected of a further certificate.

    Args:
        host: seen with it.
    """
    site, files = opened.inventory.site, MailFiles.of(opened.family, host)
    facts = gather(
        opened.remote, {**files.facts, "certificate": f"cat {quote(files.certificate)}"}, root=True
    )
    leaf = facts["certificate"].value.encode() + b"\n"
    serial = facts["certificate_serial"]
    has_leaf = serial.status == 0 and serial.value != ""
    trusted = own_ca.roots_for(site, leaf, str(files.certificate)) if has_leaf else own_ca.roots(site)
    return Target(
        name=host.names.smtp,
        domain=site.domain,
        ports=host.certificate_ports,
        ca_pem=trusted,
        ca_file=own_ca.root_file(site, leaf if has_leaf and trusted else None, str(files.certificate)),
        expected_serial=serial.value if has_leaf else None,
        barred=barred.barred(site),
        expected_names=host.names.all[1:],
        warn_days=host.certificate.renew_days,
        resolver=site.resolver,
        is_for_others=True,
    )


def why_unasked(host: str) -> str:
    """Why no wrong password is sent; empty: one is.

    It is sent where no chapter of Postfix belongs to the run (the verification alone), and where one changed packages,
    saslauthd, PAM, or the options of main.cf and master.cf that logins go by. What a run that was cut off had only
    planned counts as changed.

    Args:
        host: its name in the inventory.
    """
    try:
        entries = read_run(root() / current_run()).of_host(host)
    except RecordError:
        return ""
    chapters = {family.postfix_chapter for family in FAMILIES}
    of_postfix = [entry.record for entry in entries if entry.record.chapter in chapters]
    return UNCHANGED if of_postfix and not any(map(touches_logins, of_postfix)) else ""


def touches_logins(record: RecordData) -> bool:
    """Whether a chapter changed, or was about to change, what logins rest on."""
    return record.mode == "apply" and any(
        plan.changes and (plan.title in _WHOLE or any(map(_is_about_logins, plan.changes)))
        for plan in record.plans
    )


def _is_about_logins(change: Change) -> bool:
    """Whether an option of a login is another one afterwards: a line of master.cf is shown whole for each change."""
    sides = {"-": set[str](), "+": set[str]()}
    for line in change.diff.splitlines():
        if line[:1] in sides and not line.startswith(("---", "+++")):
            sides[line[0]].update(found.strip() for found in _OPTION.findall(line))
    return sides["-"] != sides["+"]
