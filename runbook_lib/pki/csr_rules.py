"""What a CSR may ask for, rule by rule; each rule returns the reasons against it, none when all is well."""

from collections import Counter
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, ExtensionOID, NameOID

from runbook_lib.messages import message
from runbook_lib.pki.names import name_fault, printable
from runbook_lib.x509.keys import STRONG_HASHES

NAMES_MAX = 100

_EXTENSION_REQUEST = x509.ObjectIdentifier("1.2.840.113549.1.9.14")
_KINDS: dict[type[x509.GeneralName], str] = {
    x509.RFC822Name: message("e-mail address"),
    x509.UniformResourceIdentifier: "URI",
    x509.IPAddress: message("IP address"),
    x509.DirectoryName: message("directory name"),
    x509.RegisteredID: message("registered ID"),
    x509.OtherName: message("other name"),
}


def signature_reasons(request: x509.CertificateSigningRequest) -> list[str]:
    """The CSR is signed by its own key (whoever sent it has the key), with a hash that does not collide."""
    reasons: list[str] = []
    try:
        algorithm = request.signature_hash_algorithm
        if algorithm is not None and not isinstance(algorithm, STRONG_HASHES):
            reasons.append(
                message(
                    "is signed with {algorithm}; SHA-256, SHA-384 or SHA-512 is taken (SHA-1 and MD5 can be forged)",
                    algorithm=algorithm.name.upper(),
                )
            )
        elif not request.is_signature_valid:
            reasons.append(message("is not signed by the key it carries, or was altered since"))
    except (ValueError, UnsupportedAlgorithm) as error:
        oid = request.signature_algorithm_oid.dotted_string
        reasons.append(
            message(
                "has a signature that cannot be checked (algorithm {oid}: {error})", oid=oid, error=str(error)
            )
        )
    return reasons


def attribute_reasons(request: x509.CertificateSigningRequest) -> list[str]:
    """No attribute but the extension request, once: a challenge password would be a secret in clear."""
    try:
        kinds = Counter(attribute.oid for attribute in request.attributes)
    except ValueError as error:
        return [message("has attributes that cannot be read ({error})", error=str(error))]
    reasons: list[str] = [
        message("has the attribute {oid}; only an extension request is taken", oid=_named(oid))
        for oid in sorted(kinds, key=lambda oid: oid.dotted_string)
        if oid != _EXTENSION_REQUEST
    ]
    reasons += [
        message("has the attribute {oid} {count} times", oid=_named(oid), count=count)
        for oid, count in kinds.items()
        if count > 1
    ]
    return reasons


def names_and_reasons(
    request: x509.CertificateSigningRequest, granted: Sequence[str]
) -> tuple[tuple[str, ...], list[str]]:
    """The DNS names asked for (SAN, then common names not in it), and the reasons against the CSR."""
    asked = _common_names(request)
    try:
        extensions = list(request.extensions)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        return (), [
            message(
                "has extensions that cannot be read ({error}); a DNS name that is not ASCII must be written as its "
                "A-label, xn--…",
                error=str(error),
            )
        ]
    reasons: list[str] = []
    alternatives: list[str] = []
    for extension in extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            alternatives = [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]
            reasons += _san_reasons(extension.value)
        else:
            reasons += _extension_reasons(extension)
    names = tuple(dict.fromkeys([*alternatives, *asked]))
    return names, reasons + _name_reasons(names, granted)


def not_granted(names: Sequence[str], granted: Sequence[str]) -> list[str]:
    """The sound names among `names` that the inventory could grant and does not."""
    allowed = {name.lower() for name in granted}
    return [name for name in names if name not in allowed and name_fault(name) is None]


def _common_names(request: x509.CertificateSigningRequest) -> list[str]:
    values = (attribute.value for attribute in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    return [value.lower() if isinstance(value, str) else value.hex() for value in values]


def _san_reasons(names: x509.SubjectAlternativeName) -> list[str]:
    """Only DNS names: the inventory grants nothing else."""
    return [
        message(
            "asks for the {kind} {name}; only DNS names are granted",
            kind=_KINDS[type(name)],
            name=_value(name),
        )
        for name in names
        if not isinstance(name, x509.DNSName)
    ]


def _value(name: x509.GeneralName) -> str:
    match name:
        case x509.OtherName():
            return _named(name.type_id)
        case x509.DirectoryName():
            return printable(name.value.rfc4514_string())
        case _:
            return printable(str(name.value))


def _extension_reasons(extension: x509.Extension[x509.ExtensionType]) -> list[str]:
    """Nothing is copied from a CSR; what asks to be a CA, or for another use, is refused to be seen."""
    match extension.value:
        case x509.BasicConstraints(ca=True):
            return [message("asks to be a CA (basicConstraints CA:TRUE)")]
        case x509.BasicConstraints():
            return []
        case x509.KeyUsage() as usage:
            asked = {"keyCertSign": usage.key_cert_sign, "cRLSign": usage.crl_sign}
            return [
                message("asks for the key usage {name}, which only a CA has", name=name)
                for name, wanted in asked.items()
                if wanted
            ]
        case x509.ExtendedKeyUsage() as usages:
            return [
                message("asks for the extended key usage {oid}; only serverAuth is granted", oid=_named(oid))
                for oid in usages
                if oid != ExtendedKeyUsageOID.SERVER_AUTH
            ]
        case _:
            return [
                message(
                    "asks for the extension {oid}, which this CA does not issue", oid=_named(extension.oid)
                )
            ]


def _name_reasons(names: Sequence[str], granted: Sequence[str]) -> list[str]:
    if not names:
        return [message("asks for no name at all: neither a DNS name in the SAN nor a common name")]
    if len(names) > NAMES_MAX:
        return [message("asks for {count} names; at most {most} are taken", count=len(names), most=NAMES_MAX)]
    extra = not_granted(names, granted)
    given = ", ".join(granted) or message("no name")
    reasons: list[str] = []
    for name in names:
        shown, fault = printable(name), name_fault(name)
        if fault:
            reasons.append(message("asks for the name '{shown}', which {fault}", shown=shown, fault=fault))
        elif name in extra and "*" in name:
            reasons.append(
                message(
                    "asks for the wildcard {shown}: wildcard not granted (granted: {given})",
                    shown=shown,
                    given=given,
                )
            )
        elif name in extra:
            reasons.append(
                message(
                    "asks for the name {shown}, which the inventory does not grant (granted: {given})",
                    shown=shown,
                    given=given,
                )
            )
    return reasons


_NAMES_OF_OIDS = {
    oid: name
    for holder in (ExtensionOID, ExtendedKeyUsageOID, AttributeOID)
    for name, oid in vars(holder).items()
    if isinstance(oid, x509.ObjectIdentifier)
}


def _named(oid: x509.ObjectIdentifier) -> str:
    """An object identifier with its name, where it has one: '2.5.29.30 (name constraints)'."""
    name = _NAMES_OF_OIDS.get(oid)
    return f"{oid.dotted_string} ({name.lower().replace('_', ' ')})" if name else oid.dotted_string
