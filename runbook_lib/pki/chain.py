"""A certificate file that a CA returned: read as OpenSSL reads it, put in order, proven, written clean.

Postfix sends leaf and intermediates, the leaf first, without the root. What this module lets pass validates
for a client that has only the given roots, and is PEM that OpenSSL reads.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from runbook_lib.errors import CertificateRefused
from runbook_lib.messages import joined, message
from runbook_lib.pki import certificate, chain_faults, pem
from runbook_lib.pki.certificate import shown_dn, shown_name
from runbook_lib.x509 import keys

_ROOTS_BYTES_MAX = 4 * 1024 * 1024  # Mozilla's list is a quarter of a megabyte
_AGAIN = message(
    "ask the CA for the server's certificate with its intermediates, as one PEM file, and bring that."
)


@dataclass(frozen=True)
class Original:
    """A file as it came: its name, and the SHA-256 of its bytes, hex."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Chain:
    """Certificates of what a CA returned; after `arrange` the leaf is first, and each further one issued one before."""

    certificates: tuple[x509.Certificate, ...]
    notes: tuple[str, ...] = ()  # what was repaired, each to be shown
    originals: tuple[Original, ...] = ()
    places: tuple[tuple[x509.Certificate, str], ...] = ()  # where each certificate stood: file and line
    roots: tuple[
        x509.Certificate, ...
    ] = ()  # that came with it and were left out: whether they are trusted is open

    @property
    def leaf(self) -> x509.Certificate:
        """The server's certificate."""
        return self.certificates[0]

    @property
    def pem(self) -> bytes:
        """What is installed: clean PEM with LF and a last newline."""
        return b"".join(map(certificate.as_pem, self.certificates))


def read_pem(content: bytes, where: str) -> Chain:
    """Read every certificate of a file, in the file's order.

    Text before, between and after the blocks, CRLF and a BOM are taken; END and BEGIN on one line are
    parted, and said; any other odd framing is refused with its line.

    Args:
        content: the file.
        where: host and file, for messages.
    Raises:
        CertificateRefused: with every fault at once.
    """
    framing = pem.read(content, "CERTIFICATE", certificate.FILE_BYTES_MAX)
    faults = list(framing.faults)
    for block in framing.blocks:
        if block.label == "TRUSTED CERTIFICATE":
            faults.append(
                message(
                    "line {line}: an OpenSSL 'trusted' certificate; export it: openssl x509 -in FILE",
                    line=block.line,
                )
            )
        elif block.label not in certificate.LABELS:
            faults.append(
                message("line {line}: holds a {label}, not a CERTIFICATE", line=block.line, label=block.label)
            )
    if faults:
        raise CertificateRefused(joined("; ", faults), where, _remedy_for(content))
    certificates = tuple(certificate.parse(block, where) for block in framing.blocks)
    original = Original(where, hashlib.sha256(content).hexdigest())
    return Chain(certificates, framing.notes, (original,))


def arrange(chain: Chain, public_key_sha256: str, where: str) -> Chain:
    """Put the leaf first, then what issued it, then what issued that; say what was moved or left out.

    Args:
        public_key_sha256: of the server's key (SPKI, hex): the leaf is the certificate for it.
    Raises:
        CertificateRefused: no certificate in the file is for the server's key.
    """
    unique = tuple(dict.fromkeys(chain.certificates))
    notes = list(chain.notes)
    if len(unique) < len(chain.certificates):
        number = len(chain.certificates) - len(unique)
        notes.append(message("{number} repeated certificates left out", number=number))
    # The newest, where a renewed certificate stands beside the old one.
    by_fit = sorted(
        unique, key=lambda one: (_is_for(one, public_key_sha256), not _is_ca(one), one.not_valid_after_utc)
    )
    check_pair(by_fit[-1], public_key_sha256, where)
    path = [by_fit[-1]]
    for issued in path:  # grows while it is walked
        path += [one for one in unique if one not in path and certificate.is_issued_by(issued, one)]
    kept = tuple(one for one in path if one is path[0] or not _is_self_signed(one))
    for one in unique:
        if one in path and one not in kept:
            notes.append(message("the root {name} left out: who trusts it has it", name=shown_name(one)))
        elif one not in path:
            notes.append(message("{name} left out: it issued nothing here", name=shown_name(one)))
    if [one for one in unique if one in kept] != list(kept):
        order = shown_name(kept[0])
        for one in kept[1:]:
            order = message("{before}, then {after}", before=order, after=shown_name(one))
        notes.append(message("order put right: {order}", order=order))
    roots = tuple(one for one in path if one not in kept)
    return replace(chain, certificates=kept, notes=tuple(notes), roots=roots)


def verify(chain: Chain, roots_pem: bytes, names: Sequence[str], at: datetime, where: str) -> Chain:
    """Prove that a client which has only these roots accepts the chain for each name.

    Args:
        chain: arranged.
        roots_pem: what the client trusts.
        names: DNS names that clients connect to, A-labels.
        at: the time to judge by, aware.
    Returns: the chain that was proven; certificates of other paths (a cross-signed root's) are left out, and
        said.
    Raises:
        CertificateRefused: an intermediate is missing, something is expired, a name is not covered.
    Source: RFC 5280 6.1 (path validation), RFC 9525 6 (names).
    """
    roots = _issuing_roots(chain, roots_pem)
    faults, where_from = chain_faults.faults(chain.certificates, roots, names, at, chain.roots)
    if faults:
        raise CertificateRefused(joined("; ", faults), where, where_from or _AGAIN)
    proven, why = _paths(chain, roots, names, at)
    if not proven:
        raise CertificateRefused(why, where, _AGAIN)
    # The path that lasts longest: a client that has its root alone accepts it, and one with an older root, too.
    best = max(proven, key=lambda path: (min(one.not_valid_after_utc for one in path[1:]), -len(path)))
    root = best[-1]
    path = best[:-1] or chain.certificates
    spare = [one for one in chain.certificates if one not in path]
    notes = [
        message(
            "{name}, issued by {issuer}, left out: another path validates, from {root}",
            name=shown_name(one),
            issuer=shown_dn(one.issuer),
            root=shown_name(root),
        )
        for one in spare
    ]
    notes += [
        message(
            "{name} ends at {time}, before the certificate itself: from then on clients refuse it",
            name=shown_name(one),
            time=one.not_valid_after_utc.isoformat(),
        )
        for one in best[1:]
        if one.not_valid_after_utc < chain.leaf.not_valid_after_utc
    ]
    return replace(chain, certificates=path, notes=(*chain.notes, *notes))


def _issuing_roots(chain: Chain, roots_pem: bytes) -> list[x509.Certificate]:
    """Those of the trusted roots that bear the name of an issuer in the chain.

    No other is read: among public roots are some that `cryptography` will refuse to read (a serial of zero).

    Raises:
        CertificateRefused: the roots are no PEM.
    """
    where = message("the trusted roots")
    framing = pem.read(roots_pem, "CERTIFICATE", _ROOTS_BYTES_MAX)
    if framing.faults:
        raise CertificateRefused(
            joined("; ", framing.faults), where, message("mend the file of roots, or name another.")
        )
    issuers = {one.issuer.public_bytes() for one in chain.certificates}
    return [
        certificate.parse(block, where)
        for block in framing.blocks
        if block.label in certificate.LABELS and any(issuer in block.der for issuer in issuers)
    ]


def noted(chain: Chain, *notes: str) -> Chain:
    """The chain with more to be said of it."""
    return replace(chain, notes=(*chain.notes, *notes))


def _paths(
    chain: Chain, roots: Sequence[x509.Certificate], names: Sequence[str], at: datetime
) -> tuple[list[tuple[x509.Certificate, ...]], str]:
    """A path for each root from which, as the only one, every name validates; and why there is none."""
    paths: list[tuple[x509.Certificate, ...]] = []
    name = fault = why = ""
    for root in roots:
        if not any(certificate.is_issued_by(one, root) for one in chain.certificates):
            continue
        builder = PolicyBuilder().store(Store([root])).time(at)
        # The verifier takes the first path that it finds. Of two intermediates with one key the longer-lasting is to
        # count, whatever the order they came in: so those that last longest are tried alone, then with the next.
        others = sorted(chain.certificates[1:], key=lambda one: one.not_valid_after_utc, reverse=True)
        for count in _counts(others):
            path, name, fault = _path(builder, chain.leaf, others[:count], names)
            if not fault:
                paths.append(path)
                break
        else:
            told = chain_faults.on_the_path((*chain.certificates, root), at) or [fault]
            why = why or message(
                "does not validate for {name} from the root {root}: {told}",
                name=name,
                root=shown_name(root),
                told=joined("; ", told),
            )
    return paths, why


def _counts(others: Sequence[x509.Certificate]) -> list[int]:
    """How many of them end at some moment or after it, for each such moment; they are sorted, the last end first."""
    ends = [one.not_valid_after_utc for one in others]
    return [
        count for count in range(1, len(ends) + 1) if count == len(ends) or ends[count] < ends[count - 1]
    ] or [0]


def _path(
    builder: PolicyBuilder, leaf: x509.Certificate, others: Sequence[x509.Certificate], names: Sequence[str]
) -> tuple[tuple[x509.Certificate, ...], str, str]:
    """A path that validates for each name; else the first name without one, and why."""
    path: list[x509.Certificate] = []
    for name in names:
        # *.example.jp in the inventory is proven with one name that it stands for.
        host = x509.DNSName(name.replace("*", "any", 1))
        try:
            path = builder.build_server_verifier(host).verify(leaf, list(others))
        except VerificationError as error:
            return (), name, str(error) or message("no path")
    return tuple(path), "", ""


def check_pair(leaf: x509.Certificate, public_key_sha256: str, where: str) -> None:
    """The certificate is for the server's key; else OpenSSL says 'key values mismatch' and serves nothing.

    Args:
        public_key_sha256: of the server's key (SPKI, hex).
    Raises:
        CertificateRefused: with both fingerprints.
    """
    if not _is_for(leaf, public_key_sha256):
        seen = keys.public_key_sha256(leaf.public_key())
        raise CertificateRefused(
            message(
                "{leaf} is for another key: SHA-256 of the certificate's public key is {seen}, of the "
                "server's {public_key_sha256}",
                leaf=shown_name(leaf),
                seen=seen,
                public_key_sha256=public_key_sha256,
            ),
            where,
            message(
                "bring the certificate for this server's CSR, or make a new CSR from the key that is there."
            ),
        )


def _is_for(one: x509.Certificate, public_key_sha256: str) -> bool:
    return keys.public_key_sha256(one.public_key()) == public_key_sha256


def _is_ca(one: x509.Certificate) -> bool:
    try:
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _is_self_signed(one: x509.Certificate) -> bool:
    return certificate.is_issued_by(one, one)


def _remedy_for(content: bytes) -> str:
    if content[:1] == b"\x30":
        return message(
            "convert it: openssl x509 -inform DER -in FILE -out NEW (PKCS #7: openssl pkcs7 -print_certs)."
        )
    if b"PKCS7" in content:
        return message("convert it: openssl pkcs7 -print_certs -in FILE -out NEW.")
    return message(
        "paste the CA's text anew, from each BEGIN line to its END line as it was, or bring its own file."
    )
