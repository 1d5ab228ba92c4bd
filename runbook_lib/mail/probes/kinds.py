"""The claim about clients that take certificates of one kind alone: RSA, or elliptic curves."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.asker import Asker
from runbook_lib.mail.probes.hello import ALGORITHMS, check_accepted, client_hello, wants_another
from runbook_lib.mail.probes.obstacle import Stopped
from runbook_lib.mail.probes.row import Row, Verdict, warning
from runbook_lib.mail.probes.survey import Judged, Survey, blocked
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.mail.probes.versions import NEW, Answer, offer
from runbook_lib.messages import message

ONE_KIND_ALONE = message("A client that takes certificates of its kind alone, RSA or EC, is served")

_Answers = dict[tuple[str, str], Answer]


def one_kind_alone_served(survey: Survey) -> list[Row]:
    """A client that takes only the kind of certificate that a port shows connects, with TLS 1.2 and with 1.3.

    A list of ciphers written for another certificate shuts such clients out, while others go on (with TLS 1.3, which
    such lists do not touch, or by a second certificate). Who takes only the other kind is refused, and that is shown.
    Asked on one address of each port: certificates and ciphers are the service's.
    """
    chosen = survey.one_each(survey.target.ports)
    rows = []
    for endpoint, answers in survey.at_once(lambda one: _answers(survey, one), chosen):
        for (version, kind), answer in answers.items():
            judged = _judge(survey, endpoint, version, kind, answer)
            command = byhand.one_kind(endpoint, survey.target, version, kind)
            rows.append(survey.row(ONE_KIND_ALONE, endpoint, judged, command))
    rows += _rows_of_no_certificate(survey)
    return rows or survey.unasked(ONE_KIND_ALONE, survey.target.ports)


def _rows_of_no_certificate(survey: Survey) -> list[Row]:
    """Whether 25 serves clients that take no certificate at all (anonymous ciphers): said, and no fault.

    Postfix offers it to other servers, most of which check no certificate; 465 and 587 exclude it by their settings.

    Source: postconf(5), smtpd_tls_exclude_ciphers; TLS_README, 'aNULL'.
    """
    rows = []
    for endpoint in survey.one_each((25,)):
        answer = offer(survey.asker, endpoint, survey.asker.anonymous) if survey.sight(endpoint).tls else None
        client = message("TLS 1.2, no certificate at all (anonymous ciphers)")
        judged: Judged
        if answer is None:
            judged = blocked(survey.sight(endpoint).obstacle)
        elif answer.accepted:
            judged = (
                Verdict.PASS,
                message("{client}: accepted, as found; encrypted, with whoever answers", client=client),
            )
        else:
            words = message("{client}: {answer}", client=client, answer=answer.words)
            judged = Verdict.PASS if answer.refused else Verdict.UNTESTED, words
        rows.append(survey.row(ONE_KIND_ALONE, endpoint, judged, byhand.anonymous(endpoint, survey.target)))
    return rows


def _answers(survey: Survey, endpoint: Endpoint) -> _Answers:
    """What each pair of version and kind got; nothing is asked where no handshake went through before."""
    sight = survey.sight(endpoint)
    if sight.tls is None:
        return dict.fromkeys(
            ((version, kind) for version in NEW for kind in ALGORITHMS), Answer(None, sight.obstacle)
        )
    return {
        (version, kind): _offer(survey.asker, endpoint, version, kind)
        for version in NEW
        for kind in ALGORITHMS
    }


def _offer(asker: Asker, endpoint: Endpoint, version: str, kind: str) -> Answer:
    """Offer one version as a client of one kind; where the server asks for P-256 first, once more with that."""
    try:
        for context in (asker.only[version], asker.p256[version]):
            with asker.connect(endpoint) as talk:
                answer = asker.begin_raw(talk, client_hello(context, asker.target.name, ALGORITHMS[kind]))
            if not wants_another(answer):
                break
        check_accepted(answer)
    except Stopped as stop:
        return Answer(None, stop.obstacle)
    return Answer(version, None)


def _judge(survey: Survey, endpoint: Endpoint, version: str, kind: str, answer: Answer) -> Judged:
    client = message("{version}, {kind} alone", version=version, kind=kind)
    words = message("{client}: {answer}", client=client, answer=answer.words)
    tls = survey.sight(endpoint).tls
    if tls is None:
        return blocked(answer.obstacle)
    own = kind_of(tls.leaf)
    if answer.accepted:
        return Verdict.PASS, message("{client}: accepted", client=client)
    if not answer.refused:
        return Verdict.UNTESTED, words
    if kind != own:
        return Verdict.PASS, message(
            "{client}: refused, as the certificate is {kind}", client=client, kind=own
        )
    # Refused to clients of every kind, which the claim about versions judges.
    if "protocol version" in answer.words:
        return Verdict.PASS, warning(words)
    return Verdict.FAIL, message(
        "{client}: {answer}, though the certificate is {kind}: its ciphers or signatures are shut out",
        client=client,
        answer=answer.words,
        kind=own,
    )


def kind_of(certificate: x509.Certificate) -> str:
    """The kind of a certificate's key, as `ALGORITHMS` calls it; for others a name that is none of them."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA"
    return "EC" if isinstance(key, ec.EllipticCurvePublicKey) else message("of another kind")
