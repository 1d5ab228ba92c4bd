"""Claims about the certificate that a server shows."""

import datetime

from cryptography import x509

from runbook_lib.der import spelled_serial
from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.names import look_up
from runbook_lib.mail.probes.obstacle import Stage
from runbook_lib.mail.probes.row import WARNING, Row, Verdict
from runbook_lib.mail.probes.sight import Sight
from runbook_lib.mail.probes.survey import Judged, Survey, blocked
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.mail.probes.tls import covers

CHAIN_VALIDATES = "Name and chain validate, trusting only the users' root"
SERIAL_ON_EACH_PORT = "Each port shows the certificate that was signed"
DAYS_LEFT = "Days are left along the whole path"
NAMES_COVERED = "The certificate covers each name that leads here"

_REPLACED: Judged = (Verdict.FAIL, "another certificate than the one that stays")
GUESSED_LABELS = ("smtp", "imap", "pop", "mail")  # what clients try when they are given an address only


def chain_validates(survey: Survey) -> list[Row]:
    """A client with the users' root alone is content, as on a machine that has never seen an intermediate."""
    target = survey.target

    def judge(sight: Sight) -> Judged:
        if sight.tls is None:
            return blocked(sight.obstacle, Stage.HANDSHAKE)
        kept = target.kept_on(sight.endpoint.port)
        if kept and not kept.for_users:
            return (
                (Verdict.PASS, f"the one that stays: {kept.why}")
                if sight.tls.leaf in kept.leaves
                else _REPLACED
            )
        if target.is_address and sight.tls.untrusted.startswith("IP address mismatch"):
            # OpenSSL looks for the name after it has found the way to a root.
            return (
                Verdict.UNTESTED,
                "the chain leads to a trusted root; whether the name is right is asked by the name that users type",
            )
        if sight.tls.untrusted:
            alone = ", and the server sends its own certificate only" if len(sight.tls.sent) == 1 else ""
            words = sight.tls.untrusted.partition(", certificate is not valid for")[0].rstrip(".")
            return Verdict.FAIL, f"not trusted: {words}{alone if 'issuer' in words else ''}"
        return Verdict.PASS, "name and chain are valid"

    def command(endpoint: Endpoint) -> str:
        if target.is_for_users(endpoint.port):
            return byhand.validation(endpoint, target)
        return byhand.certificate(endpoint, target, "-fingerprint", "-sha256")

    return survey.judge_each(CHAIN_VALIDATES, target.ports, judge, command)


def serial_on_each_port(survey: Survey) -> list[Row]:
    """The serial in a handshake is the one that the CA's ledger has (a reload may have been forgotten)."""
    target = survey.target

    def judge(sight: Sight) -> Judged:
        if sight.tls is None:
            return blocked(sight.obstacle)
        if kept := target.kept_on(sight.endpoint.port):
            same = sight.tls.leaf in kept.leaves
            return (Verdict.PASS, "the serial of the certificate that stays") if same else _REPLACED
        if target.expected_serial is None:
            return (
                Verdict.UNTESTED,
                "which certificate was signed is not known here: ask with the host's inventory",
            )
        seen = spelled_serial(sight.tls.leaf.serial_number)
        if seen == target.expected_serial:
            return Verdict.PASS, "the serial that was signed"
        return Verdict.FAIL, f"serial {seen}, but {target.expected_serial} was signed"

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

    def judge(sight: Sight) -> Judged:
        if sight.tls is None:
            return blocked(sight.obstacle)
        return _judge_path(sight.tls.path or sight.tls.sent, survey.target.warn_days, moment)

    def command(endpoint: Endpoint) -> str:
        return byhand.certificate(endpoint, survey.target, "-subject", "-dates")

    return survey.judge_each(DAYS_LEFT, survey.target.ports, judge, command)


def names_covered(survey: Survey) -> list[Row]:
    """The certificate has the name that users type, the inventory's others, and those that clients guess.

    A guessed name that leads to this server and is not covered is a warning: somebody takes it out of the DNS
    or has it signed.
    """
    sights = survey.sights(survey.target.ports)
    seen = [sight for sight in sights if sight.tls]
    if not sights:
        return survey.unasked(NAMES_COVERED, survey.target.ports)
    seen = [sight for sight in seen if survey.target.is_for_users(sight.endpoint.port)]
    if not seen:
        return [survey.general(NAMES_COVERED, blocked(sights[0].obstacle), survey.first_command)]
    if survey.target.is_address:
        judged = Verdict.UNTESTED, "asked by an address: which names lead here is not known"
        command = byhand.certificate(seen[0].endpoint, survey.target, "-ext", "subjectAltName")
        return [survey.general(NAMES_COVERED, judged, command)]
    granted = tuple(dict.fromkeys((survey.target.name, *survey.target.expected_names)))
    rows_of_granted = [_row_of_granted(survey, seen, name) for name in granted]
    return rows_of_granted + _rows_of_guessed(survey, seen, granted)


def _row_of_granted(survey: Survey, seen: list[Sight], name: str) -> Row:
    without = sorted({sight.endpoint.port for sight in seen if not _covers(sight, name)})
    if without:
        ports = ", ".join(map(str, without))
        judged = Verdict.FAIL, f"{name}: not in the certificate of port {ports}"
    else:
        judged = Verdict.PASS, f"{name}: covered"
    command = byhand.certificate(seen[0].endpoint, survey.target, "-ext", "subjectAltName")
    return survey.general(NAMES_COVERED, judged, command)


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
        words = (
            f"{WARNING}{name} leads here and is not in the certificate: clients that guess it will complain"
        )
        rows.append(
            survey.general(NAMES_COVERED, (Verdict.PASS, words), byhand.dig(name, "A", target.resolver))
        )
    return rows


def _covers(sight: Sight, name: str) -> bool:
    return sight.tls is not None and covers(sight.tls.leaf, name)


def _judge_path(path: tuple[x509.Certificate, ...], warn_days: int, now: datetime.datetime) -> Judged:
    labels = (
        ["server certificate", *["intermediate"] * (len(path) - 2), "root"]
        if len(path) > 1
        else ["server certificate"]
    )
    short = []
    for label, certificate in zip(labels, path, strict=True):
        if certificate.not_valid_before_utc > now:
            return Verdict.FAIL, f"{label}: not valid yet (the clocks of host and CA differ?)"
        left = certificate.not_valid_after_utc - now
        if left <= datetime.timedelta():
            return Verdict.FAIL, f"{label}: expired"
        if left < datetime.timedelta(days=warn_days):
            short.append(f"{label} ends in {left.days} days")
    if short:
        return Verdict.PASS, f"{WARNING}{', '.join(short)}: renew in time"
    return Verdict.PASS, f"{', '.join(labels)}: more than {warn_days} days each"
