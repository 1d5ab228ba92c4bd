"""Names and addresses as DNS and certificates spell them: lower case, A-labels, no dot at the end."""

import ipaddress
import re

import idna

from runbook_lib.messages import message

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def dns_name(text: str) -> str:
    """The one spelling of a host name that goes into DNS queries, a certificate's SAN and settings pages.

    Args:
        text: a name as a person writes it; U-labels (`メール.example.jp`) are allowed.
    Returns: the name in lower case with A-labels (`xn--….example.jp`).
    Raises:
        ValueError: not a name of a host, with what is wrong and what to write.
    Source: RFC 1123 2.1 (letters, digits, hyphen), RFC 1035 2.3.4 (63 and 253 octets), RFC 5891 (IDNA 2008),
        UTS #46 (what a person's input method writes: full-width forms, 。 for the dot), RFC 9525 6.3 (a wildcard is a
        matter of policy).
    """
    if not text:
        raise ValueError(message("is empty; expected a DNS name such as mail.example.jp"))
    if text != "".join(text.split()):
        raise ValueError(message("has a blank in it; expected a DNS name without blanks"))
    try:
        # What it becomes is looked at: 192。0。2。25 is an address only then.
        text = text if text.isascii() else idna.uts46_remap(text, std3_rules=False)
    except idna.IDNAError as error:
        raise ValueError(
            message("cannot be a DNS name ({error}); expected a name that IDNA 2008 allows", error=str(error))
        ) from None
    if _is_address(text):
        raise ValueError(
            message(
                "is an IP address, which clients refuse as a DNS name in a certificate; expected a DNS "
                "name such as mail.example.jp"
            )
        )
    if "*" in text:
        raise ValueError(
            message(
                "is a wildcard, which the policy here does not grant: whoever holds its key speaks for "
                "every name below; expected each name by itself"
            )
        )
    if text.endswith("."):
        raise ValueError(message("ends in a dot; write {name}", name=text.rstrip(".")))
    if "_" in text:
        raise ValueError(
            message(
                "has an underscore, which a host name must not have; expected letters, digits and hyphens"
            )
        )
    try:
        name = text.lower() if text.isascii() else idna.encode(text).decode("ascii")
        if "xn--" in name:
            idna.decode(name)
    except idna.IDNAError as error:
        raise ValueError(
            message("cannot be a DNS name ({error}); expected a name that IDNA 2008 allows", error=str(error))
        ) from None
    if len(name) > 253:
        raise ValueError(message("is {count} characters long; expected at most 253", count=len(name)))
    for label in name.split("."):
        if not _LABEL.fullmatch(label):
            what = (
                message("the part '{label}'", label=label)
                if label
                else message("an empty part between two dots")
            )
            raise ValueError(
                message(
                    "has {what}; expected letters, digits and inner hyphens, 1 to 63 in each part", what=what
                )
            )
    if ends_in_a_number(name):
        raise ValueError(
            message(
                "ends in a number ('{number}'), as addresses do, and no top-level domain is one; expected "
                "a DNS name such as mail.example.jp",
                number=name.rpartition(".")[2],
            )
        )
    return name


def ends_in_a_number(name: str) -> bool:
    """Whether programs take a name for an IPv4 address, in one of its odd forms (0x7f.1, 0177.1), whatever is before.

    Source: inet_aton(3); RFC 3696 2 (no top-level domain is all digits).
    """
    return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", name.lower().rpartition(".")[2]) is not None


def full_dns_name(text: str) -> str:
    """`dns_name` with a domain: users' mail programs and certificates need the whole name.

    Raises:
        ValueError: as `dns_name`, or a name of one part.
    """
    name = dns_name(text)
    if "." not in name:
        raise ValueError(
            message("is a short name; expected the whole name, such as {name}.example.jp", name=name)
        )
    return name


def certificate_name(text: str) -> str:
    """A name as it stands in a certificate: a DNS name, one with a wildcard as its first label, or 'IP' and an address.

    Returns: its one spelling, as certificates are compared by.
    Raises:
        ValueError: none of these.
    Source: RFC 9525 6.3 (wildcards), RFC 5280 4.2.1.6 (addresses stand in a field of their own).
    """
    if text.startswith("IP "):
        return f"IP {ip_address(text.removeprefix('IP ').strip())}"
    if text.startswith("*."):
        return f"*.{full_dns_name(text.removeprefix('*.'))}"
    return full_dns_name(text)


def ip_address(text: str) -> str:
    """An IPv4 or IPv6 address in its one canonical spelling (RFC 5952).

    Raises:
        ValueError: not an address.
    """
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(
            message("is not an IP address; expected one such as 192.0.2.53 or 2001:db8::53")
        ) from None


def address(text: str) -> str:
    """An IP address or a DNS name, each in its one spelling.

    Raises:
        ValueError: neither.
    """
    return ip_address(text) if _is_address(text) else dns_name(text)


def ssh_destination(text: str) -> str:
    """An IP address, a DNS name, or an alias of ~/.ssh/config, which may have underscores.

    Raises:
        ValueError: none of them.
    """
    is_alias = re.fullmatch(r"[a-z0-9][a-z0-9._-]*", text) is not None and not text.endswith(".")
    if is_alias and not _is_address(text) and not ends_in_a_number(text):
        return text
    return address(text)


def shown(name: str) -> str:
    """`name` for a person: A-labels with their U-label form behind, others as they are."""
    return f"{name} ({idna.decode(name)})" if "xn--" in name else name


def _is_address(text: str) -> bool:
    # Names of digits and dots only are addresses too, wrong ones (192.0.2.300, 10.1): no TLD is a number.
    return ":" in text or bool(re.fullmatch(r"[\d.]*\d", text))
