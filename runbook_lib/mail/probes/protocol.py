"""Claims about TLS versions: the floor, and what is above it."""

from collections.abc import Callable

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.obstacle import Stage
from runbook_lib.mail.probes.row import Row, Verdict, warning
from runbook_lib.mail.probes.sight import Sight
from runbook_lib.mail.probes.survey import Judged, Survey
from runbook_lib.mail.probes.target import SUBMISSION_PORTS, Endpoint
from runbook_lib.mail.probes.versions import NEW, OLD, Answer, offer_new, offer_old
from runbook_lib.messages import joined, message

OLD_VERSIONS_REFUSED = message("TLS 1.0 and 1.1 are refused")
NEW_VERSIONS_ACCEPTED = message("TLS 1.2 and 1.3 are accepted")

_Answers = list[tuple[Endpoint, dict[str, Answer]]]


def old_versions_refused(survey: Survey) -> list[Row]:
    """465 and 587 refuse TLS 1.0 and 1.1 (RFC 8996); 25 too where that is asked for, else it is only shown.

    A refusal counts after the probe has spoken both versions to a server that takes them, and only on an
    endpoint that does speak TLS.
    """
    trouble = survey.control()
    rows = []
    for endpoint, answers in survey.once(_old_answers):
        for version in OLD:
            if trouble is not None:
                judged = Verdict.UNTESTED, trouble
            else:
                judged = _judge_old(survey, endpoint, version, answers[version])
            command = byhand.version(endpoint, survey.target, version)
            rows.append(survey.row(OLD_VERSIONS_REFUSED, endpoint, judged, command))
    return rows or survey.unasked(OLD_VERSIONS_REFUSED, survey.target.ports)


def new_versions_accepted(survey: Survey) -> list[Row]:
    """Every port takes TLS 1.2 (RFC 9325, 3.1.1: must) and 1.3 (should: its absence is a warning)."""
    rows = []
    for endpoint, answers in survey.once(new_answers):
        for version in NEW:
            judged = _judge_new(survey, endpoint, version, answers[version])
            named = answers[version].unnamed is None
            command = byhand.version(endpoint, survey.target, version, named=named)
            rows.append(survey.row(NEW_VERSIONS_ACCEPTED, endpoint, judged, command))
    return rows or survey.unasked(NEW_VERSIONS_ACCEPTED, survey.target.ports)


def _old_answers(survey: Survey) -> _Answers:
    return _answers(survey, lambda sight: offer_old(survey.asker, sight.endpoint))


def new_answers(survey: Survey) -> _Answers:
    """What each endpoint answers to TLS 1.2 and 1.3 alone."""

    def ask(sight: Sight) -> dict[str, Answer]:
        return offer_new(survey.asker, sight.endpoint, sight.tls.version if sight.tls else None)

    return _answers(survey, ask)


def _answers(survey: Survey, ask: Callable[[Sight], dict[str, Answer]]) -> _Answers:
    def ask_if_it_answers(endpoint: Endpoint) -> dict[str, Answer]:
        sight = survey.sight(endpoint)
        if sight.obstacle and sight.obstacle.stage in (Stage.CONNECT, Stage.GREETING):
            # Who did not answer once is not waited for again.
            return dict.fromkeys((*OLD, *NEW), Answer(None, sight.obstacle))
        return ask(sight)

    return survey.at_once(ask_if_it_answers, survey.endpoints(survey.target.ports))


def _judge_old(survey: Survey, endpoint: Endpoint, version: str, answer: Answer) -> Judged:
    required = endpoint.port in SUBMISSION_PORTS or survey.target.tls_floor_on_25 != "as found"
    if answer.accepted:
        by = _decided_by(survey, endpoint, version, accepted=True)
        if required:
            words = message("{version}: accepted; wanted TLS 1.2 or later", version=version)
            return Verdict.FAIL, joined("", (words, by))
        words = message(
            "{version}: accepted, as found (what 25 refuses, senders repeat in clear)", version=version
        )
        return Verdict.PASS, joined("", (words, by))
    words = message("{version}: {answer}", version=version, answer=answer.words)
    if not answer.refused:
        return Verdict.UNTESTED, words
    if survey.sight(endpoint).tls is None:
        return Verdict.UNTESTED, message(
            "{version}: refused, but no version at all is spoken there", version=version
        )
    return Verdict.PASS, words


def _judge_new(survey: Survey, endpoint: Endpoint, version: str, answer: Answer) -> Judged:
    if answer.accepted:
        return Verdict.PASS, message("{version}: accepted", version=version)
    words = message("{version}: {answer}", version=version, answer=answer.words)
    # Where no handshake at all succeeds, only an alert about versions is about this claim.
    is_about_versions = survey.sight(endpoint).tls is not None or "protocol version" in words
    if not answer.refused or not is_about_versions:
        return Verdict.UNTESTED, words
    words = joined("", (words, _decided_by(survey, endpoint, version, accepted=False)))
    if version == "TLS 1.3":
        return Verdict.PASS, warning(words)
    return Verdict.FAIL, words


def _decided_by(survey: Survey, endpoint: Endpoint, version: str, *, accepted: bool) -> str:
    """Which layer makes it so, as the end of a sentence; '' where the configuration is not known here."""
    known = survey.target.versions.get(endpoint.port)
    if known is None:
        return ""
    beside = [known.beside] if known.beside else []
    if known.left is None:
        unread = message("{setting}, which this Postfix cannot read", setting=known.said)
        return joined("; ", ["", unread, *beside])
    if accepted == (version in known.left):
        return joined("; ", ["", known.said, *beside])
    if accepted:
        return message(
            "; {setting}, which leaves it out: that is not taken up, or something before Postfix answers",
            setting=known.said,
        )
    return message(
        "; {setting}, which lets it in: not Postfix refuses it, but OpenSSL or what it was told",
        setting=known.said,
    )
