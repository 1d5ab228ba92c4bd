"""Targets: requests and certificates, from files and from handshakes."""

import functools
import ssl
import subprocess
import tempfile
from pathlib import Path
from typing import cast

import hostile_chains as chains
import pki_samples as samples
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hostile import Target, check_texts
from hostile_inputs import bent, evil, pem
from hypothesis import strategies as st

from runbook_lib.mail.probes import certificate as claims
from runbook_lib.mail.probes.obstacle import Stopped
from runbook_lib.mail.probes.sight import Sight
from runbook_lib.mail.probes.survey import Survey
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.mail.probes.target import Target as Server
from runbook_lib.mail.probes.tls import blind, read_tls
from runbook_lib.pki import certificate, chain
from runbook_lib.pki import pem as framing
from runbook_lib.pki.csr import check_csr
from runbook_lib.x509 import dns_id
from runbook_lib.x509.keys import public_key_sha256

WHERE = "mail1, returned.pem"
ROOT_PEM = certificate.as_pem(chains.ROOT)
_SAN = x509.ObjectIdentifier("2.5.29.17")
_OIDS = tuple(
    map(x509.ObjectIdentifier, [*(f"2.5.29.{last}" for last in (17, 19, 15, 37, 30, 35)), "1.2.3.4"])
)


def _openssl(*arguments: str, stdin: bytes = b"") -> int:
    return subprocess.run(["openssl", *arguments], check=False, input=stdin, capture_output=True).returncode


def take_csr(content: bytes) -> bool:
    """What is taken has granted names alone, an allowed key, and a signature that OpenSSL finds right too."""
    checked = check_csr(content, samples.GRANTED, WHERE)
    assert checked.names, content
    assert set(checked.names) <= set(samples.GRANTED), checked.names
    key = checked.request.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        assert key.key_size in (2048, 3072, 4096)
        assert key.public_numbers().e >= 65537
    else:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
    assert _verified_by_openssl(checked.request.public_bytes(Encoding.PEM))
    for extension in checked.request.extensions:
        assert extension.oid.dotted_string in ("2.5.29.17", "2.5.29.19", "2.5.29.15", "2.5.29.37"), extension
    check_texts((checked.key, *checked.names))
    return True


@functools.cache
def _verified_by_openssl(request: bytes) -> bool:
    return _openssl("req", "-verify", "-noout", stdin=request) == 0


_digests: st.SearchStrategy[hashes.SHA256 | hashes.SHA512] = st.sampled_from(
    (hashes.SHA256(), hashes.SHA512())
)


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.DNSName(text)
    except ValueError:  # the builder takes A-labels alone; what is in the DER is another matter
        return x509.DNSName._init_without_validation(text)


_NAMES = st.one_of(
    st.sampled_from(
        (*samples.GRANTED, "MAIL.example.test", "www.example.test", "*.example.test", "192.0.2.1", "", "a .jp", "a.jp.")
    ),
    evil.filter(str.isascii),
)  # fmt: skip


@functools.cache
def _key(kind: str) -> CertificateIssuerPrivateKeyTypes:
    match kind:
        case "p256":
            return chains.key("server")
        case "p384":
            return ec.derive_private_key(4, ec.SECP384R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    return samples.rsa_key(int(kind))


@st.composite
def _csr(draw: st.DrawFn) -> bytes:
    """A request, built right: sound names or not, one extension or several, each with its own or a garbled value."""
    good = draw(st.booleans())  # half of them ask for nothing odd, but for what is bent afterwards
    names = st.sampled_from(samples.GRANTED) if good else _NAMES
    commons = [name for name in draw(st.lists(names, max_size=2)) if name]
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in commons]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    named = [_general_name(name) for name in draw(st.lists(names, max_size=3))]
    if named:
        builder = builder.add_extension(x509.SubjectAlternativeName(named), critical=draw(st.booleans()))
    used = {_SAN} if named else set()
    for oid in [] if good else draw(st.lists(st.sampled_from(_OIDS), max_size=2, unique=True)):
        if oid not in used:
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, draw(_extension)), critical=False)
    if not good and draw(st.integers(0, 9)) == 0:
        builder = builder.add_attribute(
            x509.oid.AttributeOID.CHALLENGE_PASSWORD, draw(st.text(max_size=8)).encode(errors="replace")
        )
    kind = draw(st.sampled_from(("p256", "2048") if good else ("p256", "2048", "1024", "p384", "ed25519")))
    digest = None if kind == "ed25519" else draw(_digests)
    return builder.sign(_key(kind), digest, ecdsa_deterministic=kind.startswith("p") or None).public_bytes(
        Encoding.DER
    )


_EXTENSIONS = (
    x509.BasicConstraints(ca=True, path_length=None),
    x509.BasicConstraints(ca=False, path_length=None),
    x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1")]),
    x509.SubjectAlternativeName([x509.DNSName(samples.GRANTED[0]), x509.DNSName("www.example.test")]),
    x509.NameConstraints([x509.DNSName("example.test")], None),
)
_extension = bent(st.sampled_from([extension.public_bytes() for extension in _EXTENSIONS]))
_csrs = st.one_of(_csr(), bent(_csr()))


def _alone(der: bytes) -> list[bytes]:
    return [der]


def _one_of_two(inputs: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.one_of(inputs, bent(inputs))


def take_csr_der(content: bytes) -> bool:
    """The same where the framing is right: every mutation is one of the request itself."""
    return take_csr(framing.block("CERTIFICATE REQUEST", content))


def take_chain(content: bytes) -> bool:
    """What is taken verifies for OpenSSL with the roots alone, is for the server's key, and is read back the same."""
    arranged = chain.arrange(chain.read_pem(content, WHERE), chains.SERVER_KEY, WHERE)
    check_texts(arranged.notes)
    proven = chain.verify(arranged, ROOT_PEM, [chains.NAME], chains.NOW, WHERE)
    check_texts(proven.notes)
    assert public_key_sha256(proven.leaf.public_key()) == chains.SERVER_KEY
    assert chain.read_pem(proven.pem, WHERE).certificates == proven.certificates
    assert accepted_by_openssl(proven.pem)
    return True


@functools.cache
def accepted_by_openssl(served: bytes) -> bool:
    """As a client sees what a server sends: the first certificate is proven with the others, trusting the root."""
    with tempfile.TemporaryDirectory() as folder:
        root, sent = Path(folder, "root.pem"), Path(folder, "sent.pem")
        root.write_bytes(ROOT_PEM)
        sent.write_bytes(served)
        when = ("-attime", str(int(chains.NOW.timestamp())))
        arguments = (*when, "-CAfile", str(root), "-untrusted", str(sent), "-verify_hostname", chains.NAME)
        return (
            _openssl("verify", "-no-CApath", "-no-CAstore", "-purpose", "sslserver", *arguments, str(sent))
            == 0
        )


def take_certificate(content: bytes) -> bool:
    """One certificate, framed right: described, compared with what is wanted, put in order and proven."""
    framed = framing.block("CERTIFICATE", content)
    check_texts(f"{name}: {value}" for name, value in certificate.describe(framed, WHERE))
    key, now = chains.SERVER_KEY, chains.NOW
    status = certificate.leaf_status(framed, key, [chains.NAME], certificate.as_pem(chains.LOWER), 3, now)
    check_texts([status])
    fits = status == certificate.FITS
    below = certificate.as_pem(chains.LOWER) + certificate.as_pem(chains.UPPER)
    assert take_chain(framed + below) or not fits
    return True


@st.composite
def _certificate(draw: st.DrawFn) -> bytes:
    """The server's certificate, with evil in its subject and an extension or two whose content is garbled."""
    oids = draw(st.lists(st.sampled_from(_OIDS), max_size=3, unique=True))
    made = chains.certificate(
        "server",
        "lower",
        days=(-1, draw(st.sampled_from((-0.5, 1, 30, 2_000_000)))),
        ca=False,
        common_name=draw(evil.filter(_sound))[:64],
        serial=draw(st.sampled_from((1, 13, 2**158))),
        further=[x509.UnrecognizedExtension(oid, draw(_extension)) for oid in oids],
    )
    return made.public_bytes(Encoding.DER)


def _sound(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


_LEAF_DER = chains.LEAF.public_bytes(Encoding.DER)
_certificates = st.one_of(_certificate(), bent(_certificate()), bent(st.just(_LEAF_DER)))
_pooled = st.one_of(st.sampled_from([one.public_bytes(Encoding.DER) for one in chains.POOL]), _certificates)
_right = st.permutations(
    [one.public_bytes(Encoding.DER) for one in (chains.LEAF, chains.LOWER, chains.UPPER)]
)
# The right ones in any order, and up to three more beside them; or any at all.
_sets = st.one_of(
    st.builds(lambda right, more: [*more, *right], _right, st.lists(_pooled, max_size=3)),
    st.lists(_pooled, min_size=1, max_size=5),
)


def take_handshake(content: bytes) -> bool:
    """A certificate shown in a real handshake (in memory): every claim about it gets its rows.

    What the server's own OpenSSL does not load is never shown to anybody, and counts as refused.
    """
    server = _server(content)
    if server is None:
        return False
    client_in, client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    asks = blind().wrap_bio(client_in, client_out, server_hostname=chains.NAME)
    answers = server.wrap_bio(client_out, client_in, server_side=True)
    for one in (asks, answers, asks, answers):
        try:
            one.do_handshake()
        except ssl.SSLWantReadError:
            continue
    target = Server("192.0.2.1", "example.test", ports=(465,), expected_serial="0D")
    endpoint = Endpoint("192.0.2.1", 465)
    try:
        tls = read_tls(cast(ssl.SSLSocket, asks), "self-signed certificate")
    except Stopped as stop:
        check_texts([stop.obstacle.words])
        return False
    dns_id.covers(tls.leaf, chains.NAME)
    survey = Survey(target)
    survey.__dict__["_all_sights"] = {endpoint: Sight(endpoint, "0" * 24, tls=tls)}
    judged = (claims.chain_validates, claims.serial_on_each_port, claims.days_left, claims.names_covered)
    rows = [row for claim in judged for row in claim(survey)]
    assert rows
    check_texts(text for row in rows for text in (row.seen, row.command))
    return True


def _server(content: bytes) -> ssl.SSLContext | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.write(_server_key() + framing.block("CERTIFICATE", content))
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except ssl.SSLError:
            return None
    return context


@functools.cache
def _server_key() -> bytes:
    return samples.private_pem(chains.key("server"))


TARGETS = (
    Target("csr", take_csr, _one_of_two(pem("CERTIFICATE REQUEST", _csrs.map(_alone)))),
    Target("csr-der", take_csr_der, _csrs),
    Target("chain", take_chain, _one_of_two(pem("CERTIFICATE", _sets))),
    Target("certificate", take_certificate, _certificates),
    Target("handshake", take_handshake, _certificates),
)
