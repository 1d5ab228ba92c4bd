"""Who asks what of a host from outside: the target that inventory and host make together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from runbook_lib import credentials, display
from runbook_lib.chapters import mail_state, own_ca
from runbook_lib.chapters.chapter import Chapter
from runbook_lib.chapters.opening import Opened
from runbook_lib.mail import logins
from runbook_lib.mail.host_view import ShellHostView
from runbook_lib.mail.postfix import MailFiles
from runbook_lib.mail.probes import Account, Kept, Row, Survey, Target
from runbook_lib.remote.change import quote
from runbook_lib.remote.facts import gather
from runbook_lib.remote.vantage import HostItself


@dataclass(repr=False)
class AskingChapter(Chapter):
    """A chapter whose claims are asked from outside; they share one look at the server."""

    _survey: Survey | None = None

    def ask(self, claim: Callable[[Survey], list[Row]]) -> display.Shown:
        """Ask one claim of `runbook_lib.mail.probes`; where it is reached and wrong, put back what was changed.

        Raises:
            VerificationFailed: as `verify`.
        """

        def measure() -> list[Row]:
            if self._survey is None:
                self._survey = survey_of(self.opened)
            return claim(self._survey)

        return self.verify(claim.__name__.replace("_", " "), measure)


def survey_of(opened: Opened, ports: Sequence[int] = ()) -> Survey:
    """A new look at a host, by the name that its users type, trusting what they trust.

    The serial expected on each port is that of the certificate file on the host; the account for checks gets its
    mail at the mail domain where Postfix delivers that here, else at the host's own name. It logs in by the form of its
    name that the inventory's realm documents, and once by the other one. A login that somebody else
    set up is taken with the mechanisms that it has, and AUTH on 25 with it.

    Args:
        opened: the host.
        ports: the ports to ask; none: 25 and those where the inventory has users submit mail.
    """
    host, site = opened.host, opened.inventory.site
    files = MailFiles.of(opened.family, host)
    facts = gather(
        opened.remote,
        {
            **files.facts,
            "certificate": f"cat {quote(files.certificate)}",
            "mydestination": "postconf -hx mydestination",
            "myhostname": "postconf -h myhostname",
            "mynetworks": "postconf -hx mynetworks 2>/dev/null || postconf -h mynetworks",
        },
        root=True,
    )
    state = mail_state.read(opened)
    other = logins.other_login(state, opened.family, opened.release, host)
    as_found = other is not None and other.works
    leaf = facts["certificate"].value.encode() + b"\n"
    has_leaf = facts["certificate_serial"].status == 0 and facts["certificate_serial"].value != ""
    there = state.certificate
    kept = None
    if there and there.stays:
        ports_of_it = (25, *host.submission.ports) if there.serves else (25,)
        kept = Kept(there.found.leaves, ports_of_it, there.serves, "; ".join(there.reasons))
    trusted = own_ca.roots_for(site, leaf, str(files.certificate)) if has_leaf else own_ca.roots(site)
    if there and there.serves:
        trusted = None
    account = None
    if host.check_account is not None:
        domains = facts["mydestination"].value.replace(",", " ").split()
        here = site.domain if site.domain in domains else facts["myhostname"].value
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
        )
    target = Target(
        name=host.names.smtp,
        domain=site.domain,
        ports=(25, *host.submission.ports),
        ca_pem=trusted,
        ca_file=own_ca.root_file(site, leaf, str(files.certificate)) if has_leaf and trusted else "ca.pem",
        expected_serial=facts["certificate_serial"].value if has_leaf else None,
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
    if ports:
        target = replace(target, ports=tuple(ports))
    return Survey(
        target, ShellHostView(opened.remote, mynetworks=facts["mynetworks"].value), HostItself(opened.remote)
    )
