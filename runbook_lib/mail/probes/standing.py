"""Where the asker stands: which ports are reached from here, and what the server makes of this client's address.

What a server does for a stranger can only be asked by one. The host itself is none, and neither is a client inside
`mynetworks`: what they are told says nothing about others.
"""

from runbook_lib.mail.firewall import Firewall
from runbook_lib.mail.probes import byhand, networks
from runbook_lib.mail.probes.obstacle import UNROUTED, Kind, Obstacle, Stage
from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.mail.probes.sight import Sight
from runbook_lib.mail.probes.survey import Judged, Survey
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.mail.probes.vantage import ASKED_FROM_THE_HOST
from runbook_lib.mail.probes.view import THROTTLED_S
from runbook_lib.messages import joined, message

PORTS_REACHED = message("Each port is reached from here, on each address of the name")

_LOOPBACK = ("127.0.0.1", "::1")
_IN_FRONT = message(
    "no rule of the host's own firewall keeps it out: who runs the firewall or NAT before it must let it in"
)
_INSIDE = message(
    "this client is inside the server's mynetworks, for which relaying is allowed: ask from outside of them"
)
_AMONG_ITS_OWN = message(
    "this client is inside the server's mynetworks, and what it is told says nothing about strangers: ask from outside "
    "of them"
)

_UNREADABLE = message(
    "whether this client is inside the server's mynetworks cannot be read, since a table is named there: "
    "ask from outside of them"
)


def ports_reached(survey: Survey) -> list[Row]:
    """A connection is made from this machine to each endpoint; where that fails, somebody must act, and is named.

    What is not reached from here says nothing about the server behind it, so it is never a fail. A port that is reached
    and where smtpd dies is one: the host's log says so.
    """

    def judge(sight: Sight) -> Judged:
        unreached = survey.asker.unreached(sight.endpoint)
        if unreached is None:
            said = _smtpd_deaths(survey, sight)
            if said:
                return Verdict.FAIL, message("smtpd dies: {reasons}", reasons="; ".join(said))
            return Verdict.PASS, message("reached")
        closed, others = _walls(survey, sight.endpoint)
        # Where the host's own firewall does it, nobody else is suspected.
        words = message("not reached") if closed else unreached.words
        return Verdict.UNTESTED, joined("; ", [*_words(survey, sight, words), *closed, *others])

    return survey.judge_each(PORTS_REACHED, survey.target.ports, judge, byhand.connection)


def no_stranger(survey: Survey, endpoint: Endpoint) -> str:
    """Why what an endpoint was asked says nothing about strangers; '' where nothing speaks against it."""
    unreached = survey.asker.unreached(endpoint)
    if unreached is not None and survey.asker.client_on_host(endpoint):
        return _only_from_the_host(unreached)
    own, client = survey.once(_mynetworks), _address_at(survey, endpoint)
    is_inside = networks.inside(client, own) if own and client else False
    return _AMONG_ITS_OWN if is_inside else _UNREADABLE if is_inside is None else ""


def as_a_stranger(survey: Survey, endpoint: Endpoint, judged: Judged) -> Judged:
    """What was told about relaying, as far as it holds for strangers."""
    unreached = survey.asker.unreached(endpoint)
    if unreached is not None and survey.asker.client_on_host(endpoint):
        return Verdict.UNTESTED, _only_from_the_host(unreached)
    verdict, words = judged
    if survey.view is None:
        excuse = message("right only where the server counts this client to its mynetworks")
        return verdict, joined("; ", [words, excuse]) if verdict is Verdict.FAIL else words
    own = survey.once(_mynetworks)
    client = _address_at(survey, endpoint)
    is_inside = networks.inside(client, own) if own and client else False
    if is_inside:
        return Verdict.UNTESTED, _INSIDE
    if is_inside is None and verdict is Verdict.FAIL:
        return Verdict.UNTESTED, joined("; ", [words, _UNREADABLE])
    return verdict, words


def _only_from_the_host(unreached: Obstacle) -> str:
    return message(
        "only {asked}, which says nothing about strangers; from here: {reason}",
        asked=ASKED_FROM_THE_HOST,
        reason=unreached.words,
    )


def _words(survey: Survey, sight: Sight, unreached: str) -> list[str]:
    """How far it came, from here and from the host itself."""
    client = survey.asker.client_on_host(sight.endpoint)
    if not client:
        shut = survey.asker.shut(sight.endpoint)
        return [unreached, shut] if shut else [unreached]
    if client in _LOOPBACK and sight.endpoint.address not in _LOOPBACK:
        return [
            message(
                "it listens on the loopback address alone: inet_interfaces in main.cf must name this address"
            )
        ]
    return [unreached, message("it answers where it is {asked}", asked=ASKED_FROM_THE_HOST)]


def _walls(survey: Survey, endpoint: Endpoint) -> tuple[list[str], list[str]]:
    """What on the host keeps an unreached port closed, and what else is to be said of its firewall."""
    asker = survey.asker
    firewall = survey.once(_firewall)
    if firewall is None or asker.is_elsewhere(endpoint):
        return [], []
    alike = [at for at in survey.endpoints(survey.target.ports) if at.address == endpoint.address]
    wanted = [at.port for at in alike if asker.unreached(at)]
    closed = firewall.words(wanted, is_v6=endpoint.is_v6).get(endpoint.port)
    if closed or firewall.untold:
        return [closed] if closed else [], list(firewall.untold)
    doubt = firewall.doubt(endpoint.port, is_v6=endpoint.is_v6)
    if doubt:
        return [], [doubt]
    unreached, client = asker.unreached(endpoint), asker.client_on_host(endpoint)
    in_front = client and client not in _LOOPBACK and unreached and unreached.words != UNROUTED
    return [], [_IN_FRONT] if in_front else []


def _smtpd_deaths(survey: Survey, sight: Sight) -> tuple[str, ...]:
    """Why smtpd died where the server took the connection, and ended it or said nothing before TLS was there."""
    ended = sight.obstacle
    if ended is None or ended.stage not in (Stage.GREETING, Stage.CLEAR, Stage.HANDSHAKE):
        return ()
    if ended.kind is Kind.CLOSED:
        return survey.once(_deaths_now)
    return survey.once(_deaths_before) if ended.kind is Kind.SILENT else ()


def _deaths_now(survey: Survey) -> tuple[str, ...]:
    return survey.view.smtpd_deaths(survey.age_s) if survey.view else ()


def _deaths_before(survey: Survey) -> tuple[str, ...]:
    """Those that leave a port silent: master(8) waits before it starts again what ended at its start."""
    return survey.view.smtpd_deaths(survey.age_s + THROTTLED_S) if survey.view else ()


def _firewall(survey: Survey) -> Firewall | None:
    return survey.view.firewall() if survey.view else None


def _mynetworks(survey: Survey) -> str:
    return survey.view.mynetworks() if survey.view else ""


def _address_at(survey: Survey, endpoint: Endpoint) -> str:
    """The address that the server saw us with: at this endpoint, else at another that it has in its journal.

    A refusal is in the journal, a recipient that was taken is not; so where one port relays, another one tells.
    Where none does it is the own socket's, which a NAT may have changed on the way.
    """
    seen, own = survey.seen_client(endpoint), survey.own(endpoint)
    if own and not seen:
        alike = [at for at in survey.endpoints(survey.target.ports) if at.address == endpoint.address]
        others = (survey.seen_client(at) for at in alike if not survey.asker.client_on_host(at))
        seen = next(filter(None, others), "")
    return seen or own
