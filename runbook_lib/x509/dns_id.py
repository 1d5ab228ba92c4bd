"""The DNS names of a certificate, and whether one of them is the name that a client connects to."""

from collections.abc import Iterable

from cryptography import x509


def of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names of the SAN, lower case; the common name does not count (RFC 9525 2)."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in alternatives.get_values_for_type(x509.DNSName))


def matches(pattern: str, name: str) -> bool:
    """Whether the DNS name `pattern` of a certificate covers `name`, a host name that a client connects to.

    Case does not count; a wildcard stands for exactly one label, the leftmost, and never for a part of one. One over a
    whole top-level domain covers nothing, as with OpenSSL.
    Source: RFC 9525 6.3; X509_check_host(3).
    """
    pattern_labels, name_labels = pattern.lower().split("."), name.lower().split(".")
    if len(pattern_labels) != len(name_labels) or "" in name_labels:
        return False
    if pattern_labels[0] == "*" and len(pattern_labels) > 2:
        return pattern_labels[1:] == name_labels[1:]
    return "*" not in pattern and pattern_labels == name_labels


def cover(patterns: Iterable[str], name: str) -> bool:
    """Whether one of a certificate's DNS names covers `name`."""
    return any(matches(pattern, name) for pattern in patterns)


def covers(certificate: x509.Certificate, name: str) -> bool:
    """Whether a certificate is for the host name `name`."""
    return cover(of(certificate), name)
