"""Whether a key and a certificate fit each other, asked before Postfix is told to take them up.

With a pair that does not fit TLS is off on every port that it is for: 465 is closed without a byte, 25 and 587 answer
STARTTLS with 454, and `postfix check` says nothing.
"""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from runbook_lib import inventory
from runbook_lib.errors import ApplyRefused
from runbook_lib.mail.certificates.configured import ConfiguredCertificate
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.messages import joined, message
from runbook_lib.remote.change import quote
from runbook_lib.x509.certificate import public_key_sha256

_PUBLIC = "sha256sum | { read -r s _ && echo $s; }"


def facts(key: PurePosixPath, certificate: PurePosixPath) -> dict[str, str]:
    """Digests of the public halves of a key and of a certificate, as `check` reads them."""
    return {
        "key_public": f"test -f {quote(key)} && openssl pkey -in {quote(key)} -pubout -outform DER | {_PUBLIC}",
        "certificate_public": f"test -f {quote(certificate)} && openssl x509 -in {quote(certificate)} -noout -pubkey "
        f"| openssl pkey -pubin -outform DER | {_PUBLIC}",
    }


def check(state: MailState) -> None:
    """Refuse a pair that Postfix would be given and that does not fit.

    Args:
        state: with the answers to `facts`.
    Raises:
        ApplyRefused: with both fingerprints. Nothing was changed.
    """
    there = state.certificate
    wrong = _kept(state)
    for one in () if there and there.serves else state.by_certificate:
        ours = _ours(one)
        if all(ours) and not ours_fit(one):
            wrong.append((str(one.files.key), ours[0], str(one.files.certificate), ours[1]))
    _refuse(wrong, state.host)


def check_kept(state: MailState) -> None:
    """The same for the pair that main.cf names and that stays, before ours is made.

    Raises:
        ApplyRefused: as `check`.
    """
    _refuse(_kept(state), state.host)


def ours_fit(state: MailState) -> bool:
    """Whether the key and the certificate that this runbook made are both there, and fit each other."""
    key, certificate = _ours(state)
    return bool(key) and key == certificate


def _ours(state: MailState) -> tuple[str, str]:
    """The digests of both public halves; '' for what is not there or cannot be read."""
    facts = state.facts["key_public"], state.facts["certificate_public"]
    key, certificate = (fact.value if fact.status == 0 else "" for fact in facts)
    return key, certificate


def _kept(state: MailState) -> list[tuple[str, str, str, str]]:
    there = state.certificate
    return list(_found(there.found)) if there is not None and there.stays else []


def _refuse(wrong: Sequence[tuple[str, str, str, str]], host: inventory.Host) -> None:
    if wrong:
        told = joined(
            "\n    ",
            (
                message(
                    "the key in {key} (SHA-256 of its public half {key_sha256}) does not fit the certificate in "
                    "{certificate} ({certificate_sha256})",
                    key=one,
                    key_sha256=key_sha256,
                    certificate=other,
                    certificate_sha256=certificate_sha256,
                )
                for one, key_sha256, other, certificate_sha256 in wrong
            ),
        )
        off = (
            message(
                "key and certificate do not fit each other, and with them TLS would be off on every "
                "port:\n    {told}",
                told=told,
            )
            if len(host.by_certificate) == 1
            else message(
                "key and certificate do not fit each other, and with them TLS would be off on each port that is to "
                "show them:\n    {told}",
                told=told,
            )
        )
        raise ApplyRefused(
            off,
            host.name,
            message(
                "put the key back that the certificate is for, or get one for this key (chapters 1-1 and 1-2)"
            ),
        )


def _found(found: ConfiguredCertificate) -> Iterator[tuple[str, str, str, str]]:
    """Keys that main.cf names and that no file's first certificate is for, beside the first certificate there.

    The first one in a file is what Postfix takes for the server's; others may be for the key as well as not.
    """
    held = {public_key_sha256(one): str(file.path) for file in found.files for one in file.certificates[:1]}
    first = next(iter(held.items()))
    for file in found.files:
        if file.public_key_sha256 and file.public_key_sha256 not in held:
            yield str(file.path), file.public_key_sha256, first[1], first[0]
