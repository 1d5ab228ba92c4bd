"""Everything that is asked of a server, in the order in which a reader wants to know it."""

from collections.abc import Callable

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.certificate import chain_validates, days_left, names_covered, serial_on_each_port
from runbook_lib.mail.probes.clear import (
    no_auth_in_clear,
    no_mail_before_starttls,
    only_tls_on_465,
    starttls_offered,
)
from runbook_lib.mail.probes.delivery import message_arrives
from runbook_lib.mail.probes.exchanges import no_login_is_refused
from runbook_lib.mail.probes.kinds import one_kind_alone_served
from runbook_lib.mail.probes.limits import login_is_narrow
from runbook_lib.mail.probes.login import (
    auth_after_tls,
    right_password_accepted,
    unknown_name_refused,
    wrong_password_refused,
)
from runbook_lib.mail.probes.naming import says_who_it_is
from runbook_lib.mail.probes.protocol import new_versions_accepted, old_versions_refused
from runbook_lib.mail.probes.relay import no_relay_without_login, smtputf8_as_offered
from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.mail.probes.standing import ports_reached
from runbook_lib.mail.probes.survey import Survey
from runbook_lib.mail.probes.taking import mail_taken_on_25
from runbook_lib.mail.probes.target import Target
from runbook_lib.mail.probes.tlsa import tlsa_matches
from runbook_lib.mail.probes.vantage import Vantage
from runbook_lib.mail.probes.view import HostView
from runbook_lib.messages import message

NOT_REACHED = message("not asked, since no port is reached")
NAME_RESOLVES = message("The name that users type leads to an address")


def name_resolves(survey: Survey) -> list[Row]:
    """The DNS has an A record, an AAAA record, or both; a name with IPv4 alone is fine."""
    name, resolver = survey.target.name, survey.target.resolver
    if survey.target.is_address:
        judged = Verdict.UNTESTED, message("asked by an address: whether a name leads there is not known")
        return [survey.general(NAME_RESOLVES, judged, byhand.reverse(name, resolver))]
    return [
        survey.general(NAME_RESOLVES, (lookup.verdict, lookup.words), byhand.dig(name, lookup.kind, resolver))
        for lookup in survey.lookups
    ]


CLAIMS: tuple[Callable[[Survey], list[Row]], ...] = (
    name_resolves,
    ports_reached,
    says_who_it_is,
    no_auth_in_clear,
    only_tls_on_465,
    starttls_offered,
    no_mail_before_starttls,
    chain_validates,
    serial_on_each_port,
    days_left,
    names_covered,
    tlsa_matches,
    old_versions_refused,
    new_versions_accepted,
    one_kind_alone_served,
    auth_after_tls,
    no_relay_without_login,
    mail_taken_on_25,
    smtputf8_as_offered,
    unknown_name_refused,
    wrong_password_refused,
    right_password_accepted,
    no_login_is_refused,
    login_is_narrow,
    message_arrives,
)


def verify(
    target: Target, view: HostView | None = None, vantage: Vantage | None = None, *, timeout_s: float = 20.0
) -> list[Row]:
    """Ask everything that applies to a target.

    Args:
        target: the server, and what is expected of it.
        view: a look at the host from within; without it no message is sent, and rows have our own address.
        vantage: the host itself as the place to ask from where this machine does not reach it.
        timeout_s: deadline of each conversation (there are about six an endpoint, and six a port, side by side).
    Returns: rows in the order of `CLAIMS`, within a claim by port and address. Nothing is raised for a server
        that cannot be reached or is wrong: that is what rows are for.
    """
    survey = Survey(target, view, vantage, timeout_s=timeout_s)
    return [row for claim in CLAIMS for row in asked(survey, claim)]


def asked(survey: Survey, claim: Callable[[Survey], list[Row]]) -> list[Row]:
    """The rows of a claim; one that refers to `ports_reached` where no port is reached and it says nothing else."""
    rows = claim(survey)
    if claim is ports_reached or not survey.nothing_is_reached:
        return rows
    reasons = {sight.obstacle.words for sight in survey.sights(survey.target.ports) if sight.obstacle}
    same = [row for row in rows if row.port is not None or any(reason in row.seen for reason in reasons)]
    if not same or any(row.verdict is not Verdict.UNTESTED for row in same):
        return rows
    one = survey.general(same[0].claim, (Verdict.UNTESTED, NOT_REACHED), survey.first_command)
    return [one, *(row for row in rows if row not in same)]
