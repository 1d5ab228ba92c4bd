"""Chapter 0: what is there before anything changes. Names, reach, what the host calls itself, what will change."""

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from runbook_lib import display, pictures
from runbook_lib.chapters import decisions, further, mail_state, progress
from runbook_lib.chapters.answers import over, told
from runbook_lib.chapters.asking import AskingChapter, look_with_others
from runbook_lib.chapters.mail_state import firewall_facts
from runbook_lib.chapters.opening import begin_record, open_host
from runbook_lib.inventory import Host
from runbook_lib.inventory.place import Place
from runbook_lib.mail.configuration import asked_once
from runbook_lib.mail.differences import judged
from runbook_lib.mail.differences.difference import Difference
from runbook_lib.mail.findings.explained import explain
from runbook_lib.mail.findings.looking import look_at
from runbook_lib.mail.probes import Row, Verdict
from runbook_lib.mail.probes.sight import Sight
from runbook_lib.mail.registration import ADDRESSES_LEAD_BACK, DOMAIN_HAS_MX, NAMES_LEAD_HERE, Registration
from runbook_lib.mail.target import chapter_plans, wanted
from runbook_lib.messages import message
from runbook_lib.places import CAPTURE
from runbook_lib.remote.facts import NOT_INSTALLED, Fact, gather

NOTEBOOK = "00-preparation"
TITLE = "0 Preparation · 準備"
DOMAIN_HAS_ONE_PLACE = message("Mail for the domain is meant for one place only")

_FACTS = {
    "own": "ip -o address show scope global",
    "hosts": "getent hosts $(hostname) | head -n 1",
    "mailname": "cat /etc/mailname",
    "myhostname": "postconf -hx myhostname",
    "mydestination": "postconf -hx mydestination",
    "elsewhere": "postconf -hx virtual_alias_domains virtual_mailbox_domains relay_domains",
    "protocols": "postconf -h smtpd_tls_protocols",
    "ciphers": "postconf -h smtpd_tls_ciphers",
    "level": "postconf -h smtpd_tls_security_level",
}
_NOT_THERE = message("Postfix is not there yet")


@dataclass(repr=False)
class Preparation(AskingChapter):
    """Looks, and changes nothing in any mode."""

    facts: dict[str, Fact] | None = None
    reads_only: ClassVar[bool] = True

    @property
    def seen(self) -> dict[str, Fact]:
        """What the host says of itself, read once."""
        if self.facts is None:
            self.facts = gather(self.remote, _FACTS, ahead=asked_once.lines(_FACTS.values()))
        return self.facts

    @cached_property
    def registration(self) -> Registration:
        """The questions to the DNS, each asked once."""
        site, decided = self.opened.inventory.site, {}
        for name in self.host.every_name:
            if (decision := self.host.decided(Place.dns(name))) is not None:
                decided[name] = decision.reason
        own = own_addresses(self.seen["own"].value)
        of_others = tuple(name for one in self.host.by_certificate[1:] for name in one.names.all)
        return Registration(self.host.every_name, site.domain, own, site.resolver, decided, of_others)

    def show_ports(self) -> display.Shown:
        """What answers on the three ports now, on each address of the name."""
        with self.at_work():
            survey = self.take_over(look_with_others(self.opened, self.notebook))
            sights = survey.sights(survey.target.ports)
        if not sights:
            return display.Text(message("The name leads to no address, so no port can be asked."))
        alike: dict[tuple[str, ...], list[str]] = {}
        for sight in sights:
            alike.setdefault((str(sight.endpoint.port), *_answers(sight)), []).append(sight.endpoint.address)
        rows = [(port, over(addresses), *seen) for (port, *seen), addresses in alike.items()]
        heads = (message("port"), message("over"), message("now"), message("AUTH before TLS"))
        return display.Table(heads, rows, told(len(sights), len(rows)))

    def ask_names(self) -> display.Shown:
        """Each name that goes into the certificate leads to this server, or a person decided that it does."""
        shown = self.verify(NAMES_LEAD_HERE, self.registration.names_lead_here)
        asked = self.registration.to_decide()
        if not asked:
            return shown
        lines = decisions.block(asked, self.host)
        return display.Parts(
            [shown, display.Folded(message("to write into the inventory, where it leads here"), lines)]
        )

    def remedy(self, wrong: Sequence[Row]) -> str:
        """What to do about rows that were found wrong: for a name, to lead it here, or to say that it is led here."""
        by_hand = super().remedy(wrong)
        asked = self.registration.to_decide() if wrong[0].claim == NAMES_LEAD_HERE else ()
        if not asked:
            return by_hand
        indented = decisions.block(asked, self.host).replace("\n", "\n    ")
        return message(
            "{by_hand}\n  Where the name is wrong, put it right in the DNS. Where it leads here all the same, say so "
            "in the inventory, with a reason:\n    {lines}",
            by_hand=by_hand,
            lines=indented,
        )

    def ask_addresses(self) -> display.Shown:
        """Each address has a name that leads back."""
        return self.verify(ADDRESSES_LEAD_BACK, self.registration.addresses_lead_back)

    def ask_mx(self) -> display.Shown:
        """The domain has an MX."""
        return self.verify(DOMAIN_HAS_MX, self.registration.domain_has_mx)

    def show_names(self) -> display.Table:
        """What the host is called, by whom, side by side."""
        seen, site = self.seen, self.opened.inventory.site
        installed = seen["mydestination"].status == 0
        found_as = " ".join(seen["hosts"].value.split()[1:])
        rows: list[tuple[str, ...]] = [
            (message("users type"), self.host.names.smtp, message("the inventory, names.smtp")),
            (message("mail domain"), site.domain, message("the inventory, site.domain")),
            (message("the host calls itself"), self.opened.facts["hostname"].value, "hostname -f"),
            (message("it finds itself as"), found_as or message("nothing"), "/etc/hosts, DNS"),
            (
                message("Postfix calls itself"),
                seen["myhostname"].value if installed else _NOT_THERE,
                "myhostname",
            ),
            (
                message("Postfix delivers here, for"),
                seen["mydestination"].value if installed else _NOT_THERE,
                "mydestination",
            ),
        ]
        if (mailname := self.opened.family.mailname) is not None:
            told = seen["mailname"].value or message("not set")
            rows.append((message("sender's domain where none is given"), told, str(mailname)))
        return display.Table((message("who says it"), message("name"), message("where it stands")), rows)

    def ask_one_place(self) -> display.Shown:
        """MX and mydestination agree on where mail for the domain goes."""
        return self.verify(DOMAIN_HAS_ONE_PLACE, self._one_place)

    def _one_place(self) -> list[Row]:
        domain, command = self.opened.inventory.site.domain, "postconf -hx mydestination"
        installed = self.seen["mydestination"].status == 0
        names = self.seen["mydestination"].value if installed else self._mailname()
        here = domain in names.replace(",", " ").split()
        otherwise = domain in self.seen["elsewhere"].value.replace(",", " ").split()
        asked = self.registration
        mx_here = asked.mx_leads_here()
        verdict, words = one_place(domain, here, otherwise, mx_here, takes_no_mail=asked.takes_no_mail)
        if not installed:
            words = message(
                "{words} (as the package will leave it: mydestination has {names})", words=words, names=names
            )
        return [Row(DOMAIN_HAS_ONE_PLACE, None, "", "-", verdict, words, command)]

    def _mailname(self) -> str:
        fqdn = self.opened.facts["hostname"].value
        return fqdn if "." in fqdn else self.host.names.smtp

    def show_port_25(self) -> display.Shown:
        """TLS for strangers on 25 as it was found, beside today's advice; nothing of it changes by itself."""
        seen = self.seen
        if seen["level"].status != 0:
            return display.Text(
                message("Postfix is not there yet: its package's values are shown in chapter 2.")
            )
        rows: list[tuple[str, ...]] = [
            (
                "smtpd_tls_security_level",
                seen["level"].value or message("(empty: no TLS)"),
                "may",
                message("set by chapter 2"),
            ),
            (
                "smtpd_tls_protocols",
                seen["protocols"].value,
                wanted.PROTOCOLS,
                "submission.floor_on_25: TLSv1.2",
            ),
            (
                "smtpd_tls_ciphers",
                seen["ciphers"].value,
                "medium",
                message("left as found: a strict list sends mail in clear"),
            ),
        ]
        heads = (
            message("setting"),
            message("as found"),
            message("today's advice"),
            message("who changes it"),
        )
        return display.Table(heads, rows)

    def show_findings(self) -> display.Shown:
        """What an administrator's main.cf and master.cf say that clashes, does not count, is obsolete, or will fail."""
        with self.at_work():
            opened, state = self.opened, mail_state.look(self.opened)
            if not (state.installed or state.refused):
                return display.Text(message("Postfix is not there yet, so nobody has shaped it."))
            differences: tuple[Difference, ...] = ()
            if not state.refused:
                state = mail_state.judged(opened, state)
                differences = judged.found(state)
            others = opened.inventory.others(opened.host.name)
            rows = explain(look_at(self.remote, state, others), differences)
            self.tell_open((*differences, *self._names_in_the_way()))
        return decisions.explained(rows, differences, self.host)

    def _names_in_the_way(self) -> tuple[Difference, ...]:
        """Names that stop this chapter in apply mode until a person has led them here, or decided about them."""
        rows = self.registration.names_lead_here()
        wrong = {row.address for row in rows if row.verdict is Verdict.FAIL and row.address}
        return tuple(one for one in self.registration.to_decide() if wrong & set(one.found.split(", ")))

    def show_values(self) -> display.Table:
        """The document's table of values, as the inventory has them for each certificate of this host."""
        rows = [row for one in self.host.by_certificate for row in self._values_of(one)]
        return display.Table(("設定内容", message("what"), "設定値"), rows)

    def _values_of(self, host: Host) -> list[tuple[str, str, str]]:
        values, family = host.certificate, self.opened.family
        key = message("{n} bits", n=values.key_bits) if values.key_type == "rsa" else "P-256"
        rows = [
            (
                "サーバの秘密鍵のファイル名",
                message("private key, encrypted"),
                f"{family.key_directory}/{values.key_file}",
            ),
            (
                "パスワードを解除した秘密鍵ファイル名",
                message("without passphrase"),
                f"{family.key_directory}/{values.nopass_key_file}",
            ),
            ("プライベートキーの鍵の長さ", message("length of the key"), key),
            (
                "サーバ証明書の有効期限",
                message("lifetime of the certificate"),
                message("{n} days", n=values.valid_days),
            ),
            ("署名要求書(CSR)のファイル名", message("CSR"), f"{family.key_directory}/{values.csr_file}"),
            (
                "CAから返却されたサーバ証明書ファイル",
                message("certificate"),
                f"{family.certificate_directory}/{values.certificate_file}",
            ),
        ]
        return [(name, further.named(what, host), value) for name, what, value in rows]

    def show_changes(self) -> display.Shown:
        """What chapter 2 would change, from its own plans."""
        with self.at_work():
            state = mail_state.read(self.opened)
            plans = chapter_plans.all_of(state, firewall_facts(self.opened))
        rows = []
        for plan in plans:
            titles = [change.title for change in plan.changes] + [one.title for one in plan.withheld]
            titles = titles or [message("nothing to do")]
            rows += [(plan.title if number == 0 else "", title) for number, title in enumerate(titles)]
        return display.Table((message("step"), message("what will be so afterwards")), rows)


def one_place(
    domain: str, here: bool, otherwise: bool, mx_here: bool | None, *, takes_no_mail: bool = False
) -> tuple[Verdict, str]:
    """Judge where mail for a domain goes.

    Args:
        here: it is in mydestination.
        otherwise: it is a virtual or relay domain of this Postfix.
        mx_here: its MX leads to this server; None: the DNS does not say.
        takes_no_mail: its MX is the null MX, which says so (RFC 7505).
    Source: postconf(5), mydestination; BASIC_CONFIGURATION_README, 'What domains to receive mail for'.
    """
    if mx_here is None:
        return Verdict.UNTESTED, message("the DNS does not say where mail for the domain goes")
    if takes_no_mail and (here or otherwise):
        return Verdict.PASS, message(
            "warning: {domain} says in the DNS that it takes no mail (null MX), and Postfix takes mail for it: no "
            "other server sends any",
            domain=domain,
        )
    if takes_no_mail:
        return Verdict.PASS, message("MX and Postfix agree: {domain} takes no mail (null MX)", domain=domain)
    if mx_here and not (here or otherwise):
        return Verdict.PASS, message(
            "warning: the MX of {domain} leads here, and Postfix has it neither in mydestination nor as a virtual or "
            "relay domain: mail for it is refused ('mail for {domain} loops back to myself')",
            domain=domain,
        )
    if here and not mx_here:
        return Verdict.PASS, message(
            "warning: {domain} is in mydestination, and its MX is another server: mail that users here send to it "
            "stays on this server",
            domain=domain,
        )
    if here:
        agreed = message("MX and Postfix agree: mail for {domain} is taken on this server", domain=domain)
    elif otherwise:
        agreed = message(
            "MX and Postfix agree: mail for {domain} is taken as a virtual or relay domain of it",
            domain=domain,
        )
    else:
        agreed = message("MX and Postfix agree: mail for {domain} is taken on another server", domain=domain)
    return Verdict.PASS, agreed


def own_addresses(shown: str) -> tuple[str, ...]:
    """Addresses in the output of `ip -o address show scope global`, IPv4 first, temporary ones left out."""
    found = []
    for line in shown.splitlines():
        words = line.split()
        if len(words) > 3 and words[2] in ("inet", "inet6") and "temporary" not in words:
            found.append(words[3].partition("/")[0])
    return tuple(sorted(found, key=lambda text: (ipaddress.ip_address(text).version, text)))


def _answers(sight: Sight) -> tuple[str, str]:
    if sight.clear_hello is not None:
        starttls = sight.clear_hello.extension("STARTTLS") is not None
        auth = sight.clear_hello.extension("AUTH") is not None
        return (
            message("SMTP, and STARTTLS is offered") if starttls else message("SMTP, in clear only"),
            message("offered: the password would pass in clear") if auth else message("not offered"),
        )
    if sight.tls is not None:
        return message("TLS from the first byte"), message("not possible")
    return (sight.obstacle.words if sight.obstacle else message("not asked")), ""


def show_threat() -> pictures.Picture:
    """The same login as it passes by on the network, before and after; captured by `python -m lab capture`."""
    before, after = (
        [pictures.CaptureLine(**line) for line in json.loads((CAPTURE / f"{name}.json").read_bytes())]
        for name in ("before", "after")
    )
    return pictures.capture(before, after)


def _postfix(version: Fact, coming: str) -> str:
    if version.status == 0:
        return message("there")
    if version.status == NOT_INSTALLED:
        return message("not there yet; {version} will come", version=coming)
    return message("there, and it cannot read its own configuration")


@progress.shown(progress.OPENING)
def open(inventory: str, host: str, mode: str = "", reason: str = "") -> Preparation:  # noqa: A001 - a cell reads `preparation.open(…)`
    """Open the chapter on a host: connect and begin the record. Nothing is changed, in any mode."""
    opened = open_host(NOTEBOOK, frozenset(), inventory, host, mode, reason)
    site = opened.inventory.site
    version = opened.facts["mail_version"]
    rows: list[tuple[str, str]] = [
        (message("host"), f"{opened.host.name}, {opened.system}"),
        (message("users type"), ", ".join(opened.host.names.all)),
        *(
            (message("other servers come by"), ", ".join(one.names.all))
            for one in opened.host.by_certificate[1:]
        ),
        (message("mail domain"), site.domain),
        ("Postfix", _postfix(version, opened.release.postfix)),
        (message("submission ports wanted"), ", ".join(map(str, opened.host.submission.ports))),
        (message("Postfix chapter"), opened.family.postfix_chapter),
    ]
    facts = {"family": opened.family.name, "release": opened.release.version_id, "postfix": version.value}
    record, journal = begin_record(opened, NOTEBOOK, TITLE, facts)
    return Preparation(NOTEBOOK, TITLE, opened, record, journal, display.Table(("", ""), rows))
