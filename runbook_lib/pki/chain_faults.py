"""What is wrong with a chain, in words that a person can act on; the verifier itself has the last one."""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from runbook_lib.messages import message
from runbook_lib.messages.words import either
from runbook_lib.pki import certificate
from runbook_lib.pki.certificate import shown_dn, shown_name
from runbook_lib.pki.names import printable
from runbook_lib.x509 import dns_id, keys


def faults(
    chain: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    names: Sequence[str],
    at: datetime,
    came_with: Sequence[x509.Certificate] = (),
) -> tuple[list[str], str]:
    """Every fault of an arranged chain, and where to get what is missing ('': nothing is).

    Args:
        chain: the leaf first.
        roots: what a client trusts.
        names: DNS names that clients connect to, A-labels.
        at: the time to judge by, aware.
        came_with: roots that came with the chain and are no part of it.
    """
    leaf = chain[0]
    covered = ", ".join(dns_id.of(leaf)) or "none"
    found: list[str] = [
        message("{name} is not covered by the certificate (its names: {covered})", name=name, covered=covered)
        for name in names_not_covered(leaf, names)
    ]
    found += [*usage_faults(leaf), *strength_faults(leaf)]
    remedy = ""
    if certificate.is_issued_by(leaf, leaf):
        found.append(message("the certificate is signed by its own key, not by a CA"))
    elif not any(certificate.is_issued_by(one, root) for one in chain for root in roots):
        own_roots = [one for one in (*chain, *came_with) if certificate.is_issued_by(one, one)]
        signed = [one for one in chain if one not in own_roots]
        untrusted = [root for root in own_roots if any(certificate.is_issued_by(one, root) for one in signed)]
        if untrusted:
            return [*found, _of_untrusted(untrusted[-1]), *out_of_time([leaf], at)], _OF_TRUSTED
        last = chain[-1]
        found.append(
            message(
                "the chain ends at {last}: its issuer's certificate {issuer} is neither in the file nor "
                "a trusted root; clients say 'unable to get local issuer certificate'",
                last=shown_name(last),
                issuer=shown_dn(last.issuer),
            )
        )
        remedy = where_to_get(last)
    return found + out_of_time([leaf], at), remedy


_OF_TRUSTED = message(
    "order a certificate from a CA that the users' programs trust; with a CA of your own "
    "they have to get its root, as `signed_by: own CA` does."
)


def _of_untrusted(root: x509.Certificate) -> str:
    return message(
        "the chain leads to {root}, which came with it and is no trusted root here: clients that "
        "were not given it say 'self-signed certificate in certificate chain'",
        root=shown_name(root),
    )


def names_not_covered(leaf: x509.Certificate, names: Sequence[str]) -> list[str]:
    """Those of `names` that a client would not find in the certificate (RFC 9525 6.3)."""
    covered = dns_id.of(leaf)
    return [name for name in names if name.lower() not in covered and not dns_id.cover(covered, name)]


def where_to_get(last: x509.Certificate) -> str:
    """Where the certificate of the issuer is; by the certificate's own word where it says so. Nothing is fetched.

    Source: RFC 5280 4.2.2.1 (authority information access, caIssuers).
    """
    missing = shown_dn(last.issuer)
    places = issuer_addresses(last)
    if not places:
        return message(
            "get the certificate of {missing} from the CA's page of intermediates (chain, CA "
            "bundle), and bring it as one more file.",
            missing=missing,
        )
    return message(
        "get the certificate of {missing} from {places} (the certificate names this place; "
        "nothing was fetched), and bring it as one more file beside the others.",
        missing=missing,
        places=either(places),
    )


def issuer_addresses(one: x509.Certificate) -> tuple[str, ...]:
    """The addresses at which a certificate says that its issuer's certificate is, as they are printable."""
    try:
        access = one.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(
        printable(str(description.access_location.value))
        for description in access
        if description.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        and isinstance(description.access_location, x509.UniformResourceIdentifier)
    )


def usage_faults(leaf: x509.Certificate) -> list[str]:
    """Why clients would not take a leaf as a server's, by its purposes.

    Source: RFC 5280 4.2.1.3 and 4.2.1.12; RFC 8446 4.4.2.2 (a server's key has to sign).
    """
    found: list[str] = []
    try:
        purposes = list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        if ExtendedKeyUsageOID.SERVER_AUTH not in purposes:
            found.append(
                message(
                    "the certificate is for another purpose: its extended key usage lacks serverAuth (it has "
                    "{purposes}); order a TLS server certificate",
                    purposes=", ".join(oid._name for oid in purposes),
                )
            )
    except x509.ExtensionNotFound:
        pass
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.digital_signature:
            found.append(
                message(
                    "the certificate's key usage lacks digitalSignature, which a TLS server's key has to do"
                )
            )
    except x509.ExtensionNotFound:
        pass
    try:
        if leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            found.append(message("the certificate is a CA's (CA:TRUE), not a server's"))
    except x509.ExtensionNotFound:
        pass
    return found


def strength_faults(one: x509.Certificate) -> list[str]:
    """A signature that can be forged, or a key that can be broken (RFC 9325 4.5; RFC 6194, RFC 6151)."""
    found: list[str] = []
    try:
        algorithm, key = one.signature_hash_algorithm, one.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return [
            message(
                "{name} has a key or a signature of a kind that clients do not know", name=shown_name(one)
            )
        ]
    if algorithm is not None and not isinstance(algorithm, keys.STRONG_HASHES):
        found.append(
            message(
                "{name} is signed with {algorithm}, which can be forged: clients refuse it",
                name=shown_name(one),
                algorithm=algorithm.name.upper(),
            )
        )
    if (isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < 224
    ):
        found.append(
            message(
                "{name} has a key of {key}, which clients refuse",
                name=shown_name(one),
                key=keys.describe_key(key),
            )
        )
    return found


def on_the_path(path: Sequence[x509.Certificate], at: datetime) -> list[str]:
    """Why no path validates, of what is known to stop one; a root's own signature is no part of it."""
    signed = [one for one in path if not certificate.is_issued_by(one, one)]
    return out_of_time(path, at) + [fault for one in signed for fault in strength_faults(one)]


def out_of_time(certificates: Sequence[x509.Certificate], at: datetime) -> list[str]:
    """Those that have expired, and those that are not valid yet."""
    late = [one for one in certificates if at > one.not_valid_after_utc]
    early = [one for one in certificates if at < one.not_valid_before_utc]
    return [
        *(
            message(
                "{name} expired at {end}",
                name=shown_name(one),
                end=one.not_valid_after_utc.isoformat(),
            )
            for one in late
        ),
        *(
            message(
                "{name} is not valid before {begin}",
                name=shown_name(one),
                begin=one.not_valid_before_utc.isoformat(),
            )
            for one in early
        ),
    ]
