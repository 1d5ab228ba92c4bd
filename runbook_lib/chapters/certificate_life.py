"""When a server gets a new key or a new certificate: judged in one place, so that each chapter's plan knows of both.

A plan is read before any of it is made. What chapters 1-1 and 1-2 will make is not on the host then, and chapter 2 has
to plan for it all the same.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from runbook_lib.chapters import own_ca
from runbook_lib.chapters.opening import Opened
from runbook_lib.der import spelled_serial
from runbook_lib.errors import CertificateRefused
from runbook_lib.pki import authority, certificate, keys
from runbook_lib.pki.certificate import FITS
from runbook_lib.pki.clock import BACKDATE, told_time
from runbook_lib.pki.revocation import compromised_keys, revocations
from runbook_lib.remote.change import quote
from runbook_lib.remote.facts import Fact, gather


def _paths(opened: Opened) -> tuple[PurePosixPath, PurePosixPath]:
    values, family = opened.host.certificate, opened.family
    return (
        family.key_directory / values.nopass_key_file,
        family.certificate_directory / values.certificate_file,
    )


def facts_of(opened: Opened) -> dict[str, str]:
    """What is asked of the host, as root; a key's bytes stay there."""
    key, leaf = map(quote, _paths(opened))
    return {
        "public_key": f"openssl pkey -in {key} -pubout -outform DER | sha256sum | cut -c1-64",
        "key_is_there": f"test -s {key}",
        "key_made": f"stat -c %Y {key}",
        "clock": "date +%s",
        "certificate": f"cat {leaf}",
    }


def why_new_key(opened: Opened, facts: Mapping[str, Fact]) -> str:
    """Why the key that is there is replaced; '' while it is not.

    Args:
        facts: what `facts_of` asked for.
    """
    values = opened.host.certificate
    if facts["key_is_there"].status != 0:
        return ""  # there is none to be replaced
    # Both from the host: a key that was just made must not look older than a date by another machine's clock.
    made, now = (told_time(facts[name].value, opened.host.name) for name in ("key_made", "clock"))
    public_key = facts["public_key"].value
    place = own_ca.directory(opened.inventory.site)
    ledger = authority.open_ledger(place) if authority.exists(place) else None
    if values.rekey_after is not None:
        since = datetime.fromisoformat(values.rekey_after).replace(tzinfo=UTC)
        age = f"it was made on {made:%Y-%m-%d}"
        first = ledger.first_of_key(public_key) if ledger else None
        # A copied file is younger than its key. The controller's clock may be behind the host's, by so much at most.
        if first and first.issued_at + BACKDATE < made:
            made = first.issued_at + BACKDATE
            age = f"it has had certificates since {first.issued_at:%Y-%m-%d} ({first.serial})"
        if made < since <= now:
            return f"{age}, before certificate.rekey_after ({values.rekey_after})"
    if ledger and (serial := compromised_keys(ledger).get(public_key)):
        return f"its certificate {serial} was revoked: keyCompromise"
    left = _days_left(facts, public_key, now)
    if values.new_key_at_renewal and left is not None and left <= timedelta(days=values.renew_days):
        return f"its certificate has {left.days} days left, and certificate.new_key_at_renewal is set"
    return ""


def _days_left(facts: Mapping[str, Fact], public_key: str, now: datetime) -> timedelta | None:
    """How long the key's own certificate lasts; None where the certificate is another key's, or none."""
    try:
        leaf = certificate.load(facts["certificate"].value.encode() + b"\n", "the certificate")
    except CertificateRefused:
        return None
    is_its_own = keys.public_key_sha256(leaf.public_key()) == public_key
    return leaf.not_valid_after_utc - now if is_its_own else None


def why_new_certificate(opened: Opened, facts: Mapping[str, Fact]) -> str:
    """Why the own CA issues another certificate; `FITS` while it does not.

    Args:
        facts: what `facts_of` asked for.
    """
    site, values = opened.inventory.site, opened.host.certificate
    root = own_ca.certificate(site)
    if root is None or facts["key_is_there"].status != 0 or facts["certificate"].status != 0:
        return "there is no certificate yet"
    leaf_pem = facts["certificate"].value.encode() + b"\n"
    why = certificate.leaf_status(
        leaf_pem, facts["public_key"].value, opened.host.names.all, root, values.renew_days
    )
    if why != FITS:
        return why
    serial = spelled_serial(certificate.load(leaf_pem, "the certificate").serial_number)
    revoked = revocations(authority.open_ledger(own_ca.directory(site))).get(serial)
    return f"its serial {serial} was revoked ({revoked.reason})" if revoked else FITS


def what_comes(opened: Opened) -> str:
    """For a plan alone: why chapters 1-1 and 1-2 will leave another pair than is there; '' where they will not."""
    if opened.mode != "plan":
        return ""
    facts = gather(opened.remote, facts_of(opened), root=True)
    why = why_new_key(opened, facts)
    if why or facts["certificate"].status != 0 or facts["key_is_there"].status != 0:
        return why
    leaf_pem = facts["certificate"].value.encode() + b"\n"
    try:
        if own_ca.roots_for(opened.inventory.site, leaf_pem, opened.host.name) is None:
            return ""  # another CA's: what it returns next is not known here
    except CertificateRefused as error:
        return error.problem  # no certificate at all, so chapter 1-2 makes one
    found = why_new_certificate(opened, facts)
    return "" if found == FITS else found
