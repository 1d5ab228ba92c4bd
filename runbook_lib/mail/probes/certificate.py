"""Claims about the certificate that a server shows."""

import datetime

from cryptography import x509

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.names import look_up
from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stage
from runbook_lib.mail.probes.protocol import new_answers
from runbook_lib.mail.probes.row import Row, Verdict, warning
from runbook_lib.mail.probes.shown import shown_to
from runbook_lib.mail.probes.sight import Sight
from runbook_lib.mail.probes.survey import Judged, Survey, blocked
from runbook_lib.mail.probes.target import Endpoint, Kept
from runbook_lib.mail.probes.tls import Tls
from runbook_lib.mail.probes.versions import NO_NAME_IN
from runbook_lib.messages import joined, message
from runbook_lib.x509 import dns_id
from runbook_lib.x509.certificate import demands_stapling, public_key_sha256, spelled_serial

CHAIN_VALIDATES = message("Name and chain validate, trusting only the users' root")
SERIAL_ON_EACH_PORT = message("Each port shows the certificate that was signed")
DAYS_LEFT = message("Days are left along the whole path")
NAMES_COVERED = message("The certificate covers each name that leads here")

_CHOSEN_BY = "tls_server_sni_maps"
_REPLACED: Judged = (Verdict.FAIL, message("another certificate than the one that stays"))
GUESSED_LABELS = ("smtp", "imap", "pop", "mail")  # what clients try when they are given an address only


def chain_validates(survey: Survey) -> list[Row]:
    """A client with the users' root alone is content, as on a machine that has never seen an intermediate."""
    return survey.of_each_certificate(_chain_validates)


def _chain_validates(survey: Survey) -> list[Row]:
    target = survey.target

    def judge(sight: Sight) -> Judged:
        if sight.tls is None:
            return blocked(sight.obstacle, Stage.HANDSHAKE)
        kept = target.kept_on(sight.endpoint.port)
        if kept and not kept.for_users:
            return _judge_kept(sight.tls, kept)
        if target.is_address and sight.tls.untrusted.startswith("IP address mismatch"):
            # OpenSSL looks for the name after it has found the way to a root.
            return Verdict.UNTESTED, message(
                "the chain leads to a trusted root; whether the name is right is asked by the name that users type"
            )
        if sight.tls.untrusted:
            words = sight.tls.untrusted.partition(", certificate is not valid for")[0].rstrip(".")
            if "issuer" in words and len(sight.tls.sent) == 1:
                return Verdict.FAIL, message(
                    "not trusted: {reason}, and the server sends its own certificate only", reason=words
                )
            return Verdict.FAIL, message("not trusted: {reason}", reason=words)
        if demands_stapling(sight.tls.leaf):
            return Verdict.PASS, warning(
                message(
                    "name and chain are valid; it demands a stapled OCSP answer ('must-staple'), and Postfix staples "
                    "none: clients that heed it refuse"
                )
            )
        return Verdict.PASS, message("name and chain are valid")

    def command(endpoint: Endpoint) -> str:
        if target.is_for_users(endpoint.port):
            return byhand.validation(endpoint, target)
        kept = target.kept_on(endpoint.port)
        if kept and kept.named_root:
            return byhand.chain(endpoint, target, kept.ca_file)
        return byhand.certificate(endpoint, target, "-fingerprint", "-sha256")

    return survey.judge_each(CHAIN_VALIDATES, target.ports, judge, command)


def _judge_kept(tls: Tls, kept: Kept) -> Judged:
    """A certificate that stays for other servers: it is the one, and the root that was named for it leads to it."""
    if tls.leaf not in kept.leaves:
        return _REPLACED
    if kept.named_root is None:
        return Verdict.PASS, message("the one that stays: {why}", why=kept.why)
    if tls.untrusted:
        return Verdict.FAIL, message(
            "the one that stays is not trusted by port_25.ca_file: {reason}", reason=tls.untrusted
        )
    return Verdict.PASS, message(
        "the one that stays, and its chain is valid by port_25.ca_file: {why}", why=kept.why
    )


def serial_on_each_port(survey: Survey) -> list[Row]:
    """The serial in a handshake is the one that the CA's ledger has (a reload may have been forgotten), not revoked."""
    return survey.of_each_certificate(_serial_on_each_port)


def _serial_on_each_port(survey: Survey) -> list[Row]:
    target = survey.target

    def judge(sight: Sight) -> Judged:
        if sight.tls is None:
            return blocked(sight.obstacle)
        seen = _serial(sight.tls)
        if reason := target.barred.get(seen) or target.barred.get(public_key_sha256(sight.tls.leaf)):
            return Verdict.FAIL, message("serial {serial}, which {reason}", serial=seen, reason=reason)
        if kept := target.kept_on(sight.endpoint.port):
            same = sight.tls.leaf in kept.leaves
            return (Verdict.PASS, message("the serial of the certificate that stays")) if same else _REPLACED
        if target.expected_serial is None:
            return Verdict.UNTESTED, message(
                "which certificate was signed is not known here: ask with the host's inventory"
            )
        if seen == target.expected_serial:
            return Verdict.PASS, message("the serial that was signed")
        unnamed = shown_to(survey.asker, sight.endpoint, survey.asker.blind, None)
        by_name = isinstance(unnamed, Tls) and _serial(unnamed) == target.expected_serial
        if by_name:
            return Verdict.FAIL, message(
                "serial {serial}, but {signed} was signed, and is shown to who asks by no name: "
                "{setting} chooses the other",
                serial=seen,
                signed=target.expected_serial,
                setting=_CHOSEN_BY,
            )
        return Verdict.FAIL, message(
            "serial {serial}, but {signed} was signed", serial=seen, signed=target.expected_serial
        )

    def command(endpoint: Endpoint) -> str:
        return byhand.certificate(endpoint, target, "-serial")

    return survey.judge_each(SERIAL_ON_EACH_PORT, target.ports, judge, command)


def days_left(survey: Survey, now: datetime.datetime | None = None) -> list[Row]:
    """Every certificate from the server's to the root is valid for some time yet; few days are a warning.

    Args:
        survey: a look at the server.
        now: aware time to judge at; None: now.
    """
    moment = now or datetime.datetime.now(datetime.UTC)
    return survey.of_each_certificate(lambda one: _days_left(one, moment))


def _days_left(survey: Survey, moment: datetime.datetime) -> list[Row]:
    def judge(sight: Sight) -> Judged:
        if sight.tls is None:
            return blocked(sight.obstacle)
        return _judge_path(sight.tls.path or sight.tls.sent, survey.target.warn_days, moment)

    def command(endpoint: Endpoint) -> str:
        return byhand.certificate(endpoint, survey.target, "-subject", "-dates")

    return survey.judge_each(DAYS_LEFT, survey.target.ports, judge, command)


def names_covered(survey: Survey) -> list[Row]:
    """The certificate has the name that users type, the inventory's others, and those that clients guess.

    Each port is asked by each of the inventory's names, and by none: a server may choose another certificate by the
    name that a client sends (Postfix: tls_server_sni_maps), and old clients send none.
    A guessed name that leads to this server and is not covered is a warning: somebody takes it out of the DNS
    or has it signed.
    """
    return survey.of_each_certificate(_names_covered)


def _names_covered(survey: Survey) -> list[Row]:
    sights = survey.sights(survey.target.ports)
    seen = [sight for sight in sights if sight.tls]
    if not sights:
        return survey.unasked(NAMES_COVERED, survey.target.ports)
    seen = [sight for sight in seen if survey.target.is_for_users(sight.endpoint.port)]
    if not seen:
        return [survey.general(NAMES_COVERED, blocked(sights[0].obstacle), survey.first_command)]
    if survey.target.is_address:
        judged = Verdict.UNTESTED, message("asked by an address: which names lead here is not known")
        command = byhand.certificate(seen[0].endpoint, survey.target, "-ext", "subjectAltName")
        return [survey.general(NAMES_COVERED, judged, command)]
    granted = tuple(dict.fromkeys((survey.target.name, *survey.target.expected_names)))
    rows = [_row_of_name(survey, seen, name) for name in granted]
    guessed = [] if survey.target.is_for_others else _rows_of_guessed(survey, seen, granted)
    return [*rows, _row_of_no_name(survey, sights), *guessed]


def _row_of_name(survey: Survey, seen: list[Sight], name: str) -> Row:
    """Whether each port shows a certificate with the name, to who asks by it."""
    command = byhand.certificate(seen[0].endpoint, survey.target, "-ext", "subjectAltName", name=name)
    without = sorted({sight.endpoint.port for sight in seen if not _covers(sight, name)})
    ports = {sight.endpoint.port for sight in seen}
    answers = [] if name == survey.target.name else asked_by(survey, survey.one_each(ports), name)
    for endpoint, answer in answers:
        judged = _judge_other(survey, endpoint, name, answer)
        if judged is None:
            continue
        verdict, words = judged
        if verdict is not Verdict.PASS:
            command = byhand.certificate(endpoint, survey.target, "-subject", "-issuer", "-serial", name=name)
            told = message(
                "{name}: port {port} shows {certificate} to who asks by this name",
                name=name,
                port=endpoint.port,
                certificate=words,
            )
            return survey.general(NAMES_COVERED, (verdict, told), command)
        without = [port for port in without if port != endpoint.port]
    if without:
        missing = ", ".join(map(str, without))
        words = message("{name}: not in the certificate of port {ports}", name=name, ports=missing)
        judged = Verdict.FAIL, words
    else:
        judged = Verdict.PASS, message("{name}: covered", name=name)
    return survey.general(NAMES_COVERED, judged, command)


def _row_of_no_name(survey: Survey, sights: list[Sight]) -> Row:
    """Whether a client that sends no name gets the certificate that others get, or another good one."""
    endpoints = [sight.endpoint for sight in sights if sight.tls]
    chosen: tuple[Endpoint, Judged] | None = None
    for endpoint, answer in asked_by(survey, endpoints, None):
        judged = _judge_other(survey, endpoint, None, answer)
        if judged is not None and (chosen is None or judged[0] is not Verdict.PASS):
            chosen = endpoint, judged
            if judged[0] is not Verdict.PASS:
                break
    if chosen is None:
        command = byhand.certificate(endpoints[0], survey.target, "-subject", name=None)
        same = message("without a name: the same certificate")
        if survey.target.is_for_others:
            ports = ", ".join(map(str, survey.target.ports))
            same = message("port {ports}, without a name: the same certificate", ports=ports)
        judged = Verdict.PASS, same
        return survey.general(NAMES_COVERED, judged, command)
    endpoint, (verdict, words) = chosen
    told = message("without a name: port {port} shows {certificate}", port=endpoint.port, certificate=words)
    command = byhand.certificate(endpoint, survey.target, "-subject", "-issuer", "-serial", name=None)
    judged = verdict, warning(told) if verdict is Verdict.PASS else told
    return survey.general(NAMES_COVERED, judged, command)


def asked_by(
    survey: Survey, endpoints: list[Endpoint], name: str | None
) -> list[tuple[Endpoint, Tls | Obstacle]]:
    """What endpoints show to who asks by a name, or by none; nothing is trusted."""
    if name is None:
        answers = dict(survey.once(new_answers))
        known = {endpoint: answers[endpoint][NO_NAME_IN].unnamed for endpoint in endpoints}
    else:
        known = dict.fromkeys(endpoints)

    def ask(endpoint: Endpoint) -> Tls | Obstacle:
        return known[endpoint] or survey.remembered(
            (asked_by, endpoint, name), lambda: shown_to(survey.asker, endpoint, survey.asker.blind, name)
        )

    return survey.at_once(ask, endpoints)


def _judge_other(
    survey: Survey, endpoint: Endpoint, name: str | None, answer: Tls | Obstacle
) -> Judged | None:
    """Judge what is shown to who asks by a name, or by none; None: the certificate that the target's name gets."""
    first = survey.sight(endpoint).tls
    if name is None and isinstance(answer, Tls) and first is not None and answer.leaf != first.leaf:
        # Asked with an old version; one of two kinds of certificates may go with that, and not with the name.
        answer = shown_to(survey.asker, endpoint, survey.asker.blind, None)
    if isinstance(answer, Obstacle):
        words = message("none ({reason})", reason=answer.words)
        return Verdict.UNTESTED if answer.kind is not Kind.REFUSED else Verdict.FAIL, words
    if first is not None and answer.leaf == first.leaf:
        return None
    other = message(
        "another certificate than to who asks by {name} (Postfix chooses by {setting})",
        name=survey.target.name,
        setting=_CHOSEN_BY,
    )
    kept = survey.target.kept_on(endpoint.port)
    if kept and not kept.for_users:
        return (Verdict.PASS, other) if answer.leaf in kept.leaves else (Verdict.FAIL, other)
    context = survey.asker.trusting if name else survey.asker.trusting_any_name
    trusted = shown_to(survey.asker, endpoint, context, name)
    if isinstance(trusted, Obstacle):
        if trusted.kind is Kind.UNTRUSTED:
            return Verdict.FAIL, message(
                "{certificate}, not trusted: {reason}", certificate=other, reason=trusted.words
            )
        return Verdict.UNTESTED, message("{certificate}, {reason}", certificate=other, reason=trusted.words)
    if name is None and not dns_id.covers(answer.leaf, survey.target.name):
        return Verdict.FAIL, message(
            "{certificate}, without the name {name}", certificate=other, name=survey.target.name
        )
    signed = survey.target.expected_serial
    if not kept and signed is not None and _serial(answer) != signed:
        return Verdict.FAIL, message("{certificate}, which is not the one that was signed", certificate=other)
    return Verdict.PASS, other


def _rows_of_guessed(survey: Survey, seen: list[Sight], granted: tuple[str, ...]) -> list[Row]:
    target = survey.target
    rows = []
    for label in GUESSED_LABELS:
        name = f"{label}.{target.domain}"
        if name in granted or all(_covers(sight, name) for sight in seen):
            continue
        lookups = look_up(name, target.resolver, timeout_s=3.0)
        if not {address for lookup in lookups for address in lookup.addresses} & set(survey.addresses):
            continue
        asked = asked_by(survey, survey.one_each({sight.endpoint.port for sight in seen}), name)
        if all(isinstance(answer, Tls) and dns_id.covers(answer.leaf, name) for _, answer in asked):
            continue
        words = message(
            "{name} leads here and is not in the certificate: clients that guess it will complain", name=name
        )
        command = byhand.dig(name, "A", target.resolver)
        rows.append(survey.general(NAMES_COVERED, (Verdict.PASS, warning(words)), command))
    return rows


def _serial(shown: Tls) -> str:
    return spelled_serial(shown.leaf.serial_number)


def _covers(sight: Sight, name: str) -> bool:
    return sight.tls is not None and dns_id.covers(sight.tls.leaf, name)


def _judge_path(path: tuple[x509.Certificate, ...], warn_days: int, now: datetime.datetime) -> Judged:
    labels = [message("server certificate")]
    if len(path) > 1:
        labels += [message("intermediate")] * (len(path) - 2) + [message("root")]
    short = []
    for label, certificate in zip(labels, path, strict=True):
        if certificate.not_valid_before_utc > now:
            return Verdict.FAIL, message(
                "{certificate}: not valid yet (the clocks of host and CA differ?)", certificate=label
            )
        left = certificate.not_valid_after_utc - now
        if left <= datetime.timedelta():
            return Verdict.FAIL, message("{certificate}: expired", certificate=label)
        if left < datetime.timedelta(days=warn_days):
            short.append(message("{certificate} ends in {days} days", certificate=label, days=left.days))
    if short:
        return Verdict.PASS, warning(message("{ends}: renew in time", ends=joined(", ", short)))
    return Verdict.PASS, message(
        "{certificates}: more than {days} days each", certificates=joined(", ", labels), days=warn_days
    )
