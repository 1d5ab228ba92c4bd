"""One look at a server, which the claims share: asked lazily, each thing once, endpoints side by side."""

import copy
import math
import secrets
import time
from collections.abc import Callable, Iterable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from typing import TypeVar, cast

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.asker import Asker
from runbook_lib.mail.probes.control import prove_old_versions
from runbook_lib.mail.probes.names import Lookup, look_up
from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stage
from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.mail.probes.sight import Sight, look
from runbook_lib.mail.probes.target import Endpoint, Target
from runbook_lib.mail.probes.vantage import ASKED_FROM_THE_HOST, Vantage
from runbook_lib.mail.probes.view import HostView
from runbook_lib.messages import message

T = TypeVar("T")
Judged = tuple[Verdict, str]  # a verdict and what was seen
_WORKERS = 8  # endpoints asked at once: two address families with three or four ports


class Survey:
    """One look at a target. What was seen is kept, so a change on the host needs a new survey.

    Args:
        target: what to ask, and what is expected of it.
        view: a look at the host from within, or None where there is none.
        vantage: the host itself as the place to ask from where this machine does not reach it, or None.
        timeout_s: deadline of each conversation.
        control: says why old TLS versions cannot be tested from here; None when they can (see `control`).
    """

    def __init__(
        self,
        target: Target,
        view: HostView | None = None,
        vantage: Vantage | None = None,
        *,
        timeout_s: float = 20.0,
        control: Callable[[], str | None] = prove_old_versions,
    ) -> None:
        self.target = target
        self.view = view
        self.control = control
        self.asker = Asker(target, timeout_s, vantage)
        self.asker.trusting  # noqa: B018  # roots that cannot be read are refused here, once, and not by each claim
        self._known: dict[object, object] = {}
        self._began = time.monotonic()

    @property
    def age_s(self) -> int:
        """Whole seconds, rounded up, since it began: what a log has from before is not about what was seen here."""
        return math.ceil(time.monotonic() - self._began)

    def once(self, find_out: "Callable[[Survey], T]") -> T:
        """Call `find_out(self)` the first time, and return the same result ever after."""
        return self.remembered(find_out, lambda: find_out(self))

    def remembered(self, question: object, find_out: "Callable[[], T]") -> T:
        """The same for a question that has more to it than a function: its answer, found out the first time."""
        if question not in self._known:
            self._known[question] = find_out()
        return cast("T", self._known[question])

    @cached_property
    def lookups(self) -> tuple[Lookup, Lookup]:
        """The answers of the DNS for A and AAAA."""
        return look_up(self.target.name, self.target.resolver)

    @cached_property
    def addresses(self) -> tuple[str, ...]:
        """Every address of the name, IPv4 first."""
        return tuple(address for lookup in self.lookups for address in lookup.addresses)

    @cached_property
    def by_certificate(self) -> "tuple[Survey, ...]":
        """This look as one at each certificate, by its own names: its ports alone, and what is expected of it."""
        apart = {port for other in self.target.apart for port in other.ports}
        if not apart & {*self.target.ports}:
            return (self,)
        own = copy.copy(self)  # with what was seen by now
        own._all_sights, own._known = self._all_sights, {}
        own.target = self._with_ports(self.target, {*self.target.ports} - apart)
        others = [self._with_ports(other, {*self.target.ports}) for other in self.target.apart]
        surveys = [
            Survey(other, self.view, self.asker.vantage, timeout_s=self.asker.timeout_s, control=self.control)
            for other in others
        ]
        return tuple(one for one in (own, *surveys) if one.target.ports)

    @staticmethod
    def _with_ports(target: Target, ports: Set[int]) -> Target:
        return replace(target, ports=tuple(port for port in target.ports if port in ports), apart=())

    def of_each_certificate(self, ask: "Callable[[Survey], list[Row]]") -> list[Row]:
        """The rows of a claim that is about a certificate, asked of each."""
        return [row for one in self.by_certificate for row in ask(one)]

    def endpoints(self, ports: Iterable[int]) -> list[Endpoint]:
        """Endpoints of those `ports` that the target has, in the order port, address."""
        return [
            Endpoint(address, port)
            for port in self.target.ports
            if port in ports
            for address in self.addresses
        ]

    @cached_property
    def _all_sights(self) -> dict[Endpoint, Sight]:
        def look_at(endpoint: Endpoint) -> Sight:
            return look(self.asker, endpoint, secrets.token_hex(12))

        return dict(self.at_once(look_at, self.endpoints(self.target.ports)))

    def sights(self, ports: Iterable[int]) -> list[Sight]:
        """What the endpoints of these ports showed."""
        return [self._all_sights[endpoint] for endpoint in self.endpoints(ports)]

    @property
    def nothing_is_reached(self) -> bool:
        """Whether no port of the target takes a connection, neither from here nor from the host itself."""
        sights = self.sights(self.target.ports)
        return bool(sights) and all(
            sight.obstacle is not None and sight.obstacle.stage is Stage.CONNECT for sight in sights
        )

    def own(self, endpoint: Endpoint) -> str:
        """The address that an endpoint was asked from; empty where it was not reached."""
        return self.sight(endpoint).own

    def sight(self, endpoint: Endpoint) -> Sight:
        """What one endpoint showed."""
        return self._all_sights[endpoint]

    def one_each(self, ports: Iterable[int]) -> list[Endpoint]:
        """One endpoint of each port, for what is the service's and not the address's: the first that showed TLS."""
        chosen: dict[int, Endpoint] = {}
        for endpoint in self.endpoints(ports):
            known = chosen.setdefault(endpoint.port, endpoint)
            if self.sight(known).tls is None and self.sight(endpoint).tls is not None:
                chosen[endpoint.port] = endpoint
        return list(chosen.values())

    def at_once(
        self, ask: Callable[[Endpoint], T], endpoints: Sequence[Endpoint]
    ) -> list[tuple[Endpoint, T]]:
        """Ask several endpoints at once; the answers keep the order of the endpoints."""
        with ThreadPoolExecutor(_WORKERS) as pool:
            return list(zip(endpoints, pool.map(ask, endpoints), strict=True))

    @cached_property
    def _seen_clients(self) -> dict[Endpoint, str]:
        """The client addresses that the host's journal has for these conversations."""
        asked = {sight.token: endpoint for endpoint, sight in self._all_sights.items() if sight.is_in_journal}
        if self.view is None or not asked:
            return {}
        return {asked[token]: client for token, client in self.view.clients_seen(tuple(asked)).items()}

    def seen_client(self, endpoint: Endpoint) -> str:
        """The address that the server saw us with, by its journal; '' where that does not say."""
        return self._seen_clients.get(endpoint, "")

    def client(self, endpoint: Endpoint, own: str = "") -> str:
        """The same for a row: else our own, labelled."""
        own = own or self.sight(endpoint).own
        return self.seen_client(endpoint) or (message("own: {address}", address=own) if own else "-")

    def row(self, claim: str, endpoint: Endpoint, judged: Judged, command: str) -> Row:
        """A row about an endpoint."""
        return self.placed(
            Row(claim, endpoint.port, endpoint.address, self.client(endpoint), *judged, command)
        )

    def placed(self, row: Row) -> Row:
        """The row, saying so where its endpoint was asked from the host itself."""
        asked = row.port is not None and self.asker.client_on_host(Endpoint(row.address, row.port))
        if not asked or ASKED_FROM_THE_HOST in row.seen:
            return row
        return replace(row, seen=message("{seen} ({asked})", seen=row.seen, asked=ASKED_FROM_THE_HOST))

    def general(self, claim: str, judged: Judged, command: str) -> Row:
        """A row about the whole server."""
        verdict, seen = judged
        return Row(claim, None, "", "-", verdict, seen, command)

    def judge_each(
        self,
        claim: str,
        ports: Sequence[int],
        judge: Callable[[Sight], Judged],
        command: Callable[[Endpoint], str],
    ) -> list[Row]:
        """A row for each endpoint of these ports, judged by what it showed."""
        rows = [
            self.row(claim, sight.endpoint, judge(sight), command(sight.endpoint))
            for sight in self.sights(ports)
        ]
        return rows or self.unasked(claim, ports)

    def unasked(self, claim: str, ports: Sequence[int]) -> list[Row]:
        """The one row of a claim that has no address to ask; none where its ports are not the target's."""
        if self.addresses or not set(ports) & set(self.target.ports):
            return []
        judged = Verdict.UNTESTED, message("no address to ask: {reason}", reason=self.lookups[0].words)
        return [self.general(claim, judged, self.first_command)]

    @property
    def first_command(self) -> str:
        """What to type first where a row has no command of its own: ask the DNS for the name."""
        return byhand.dig(self.target.name, "A", self.target.resolver)


def blocked(obstacle: Obstacle | None, *judged: Stage) -> Judged:
    """Judge a claim that was not reached: FAIL where the claim is about the stage at which it ended."""
    if obstacle is None:
        return Verdict.UNTESTED, message("not asked")
    words = obstacle.words
    if obstacle.kind is Kind.UNTRUSTED:
        words = message("the certificate is not trusted: {reason}", reason=words)
    return obstacle.verdict_at(*judged), words
