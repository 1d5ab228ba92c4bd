"""When a server gets a new key or a new certificate: judged in one place, so that each chapter's plan knows of both."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from runbook_lib import inventory
from runbook_lib.errors import CertificateRefused, PolicyViolation
from runbook_lib.families import Family
from runbook_lib.inventory.purposes import field_of
from runbook_lib.messages import joined, message
from runbook_lib.pki import authority, certificate
from runbook_lib.pki.certificate import FITS
from runbook_lib.pki.clock import BACKDATE, told_time
from runbook_lib.pki.revocation import compromised_keys, revocations, taken_away, withdrawn_privilege
from runbook_lib.remote.change import quote
from runbook_lib.remote.facts import Fact
from runbook_lib.site_ca import own_ca
from runbook_lib.x509 import keys
from runbook_lib.x509.certificate import spelled_serial


def facts(family: Family, host: inventory.Host) -> dict[str, str]:
    """What is asked of the host, as root, about the one certificate that it is seen with; a key's bytes stay there."""
    key = quote(family.key_directory / host.certificate.nopass_key_file)
    leaf = quote(family.certificate_directory / host.certificate.certificate_file)
    return {
        "public_key": f"openssl pkey -in {key} -pubout -outform DER | sha256sum | cut -c1-64",
        "key_is_there": f"test -s {key}",
        "key_made": f"stat -c %Y {key}",
        "clock": "date +%s",
        "certificate": f"cat {leaf}",
    }


def why_new_key(site: inventory.Site, host: inventory.Host, said: Mapping[str, Fact]) -> str:
    """Why the key that is there is replaced; '' while it is not.

    Args:
        said: what `facts` asked for.
    """
    values, field = host.certificate, field_of(host.purpose)
    if said["key_is_there"].status != 0:
        return ""  # there is none to be replaced
    # Both from the host: a key that was just made must not look older than a date by another machine's clock.
    made, now = (told_time(said[name].value, host.name) for name in ("key_made", "clock"))
    public_key = said["public_key"].value
    place = own_ca.directory(site)
    ledger = authority.open_ledger(place) if authority.exists(place) else None
    if values.rekey_after is not None:
        since = datetime.fromisoformat(values.rekey_after).replace(tzinfo=UTC)
        day = f"{made:%Y-%m-%d}"
        why = message(
            "it was made on {day}, before {field}.rekey_after ({rekey_after})",
            field=field,
            day=day,
            rekey_after=values.rekey_after,
        )
        first = ledger.first_of_key(public_key) if ledger else None
        # A copied file is younger than its key. The controller's clock may be behind the host's, by so much at most.
        if first and first.issued_at + BACKDATE < made:
            made = first.issued_at + BACKDATE
            why = message(
                "it has had certificates since {day} ({serial}), before {field}.rekey_after ({rekey_after})",
                field=field,
                day=f"{first.issued_at:%Y-%m-%d}",
                serial=first.serial,
                rekey_after=values.rekey_after,
            )
        if made < since <= now:
            return why
    if ledger and (serial := compromised_keys(ledger).get(public_key)):
        return message("its certificate {serial} was revoked: keyCompromise", serial=serial)
    left = _days_left(said, public_key, now)
    if values.new_key_at_renewal and left is not None and left <= timedelta(days=values.renew_days):
        return message(
            "its certificate has {days} days left, and {field}.new_key_at_renewal is set",
            days=left.days,
            field=field,
        )
    return ""


def _days_left(said: Mapping[str, Fact], public_key: str, now: datetime) -> timedelta | None:
    """How long the key's own certificate lasts; None where the certificate is another key's, or none."""
    try:
        leaf = certificate.load(said["certificate"].value.encode() + b"\n", "the certificate")
    except CertificateRefused:
        return None
    is_its_own = keys.public_key_sha256(leaf.public_key()) == public_key
    return leaf.not_valid_after_utc - now if is_its_own else None


def why_new_certificate(site: inventory.Site, host: inventory.Host, said: Mapping[str, Fact]) -> str:
    """Why the own CA issues another certificate; `FITS` while it does not.

    Args:
        said: what `facts` asked for.
    """
    values = host.certificate
    root = own_ca.certificate(site)
    if root is None or said["key_is_there"].status != 0 or said["certificate"].status != 0:
        return message("there is no certificate yet")
    leaf_pem = said["certificate"].value.encode() + b"\n"
    why = certificate.leaf_status(leaf_pem, said["public_key"].value, host.names.all, root, values.renew_days)
    if why != FITS:
        return why
    serial = spelled_serial(certificate.load(leaf_pem, "the certificate").serial_number)
    revoked = revocations(authority.open_ledger(own_ca.directory(site))).get(serial)
    if revoked is None:
        return FITS
    return message("its serial {serial} was revoked ({reason})", serial=serial, reason=revoked.reason)


def refuse_outside(site: inventory.Site, host: inventory.Host) -> None:
    """Raises: PolicyViolation: a name of the host is outside of the domains in which the own CA signs."""
    pem = own_ca.certificate(site)
    root = certificate.load(pem, "the CA's root") if pem else None
    reasons = authority.outside(root, host.names.all, own_ca.domains(site))
    if reasons:
        raise PolicyViolation(
            joined("; ", reasons), host.name, message("change its names or those domains in the inventory")
        )


def refuse_without_right(site: inventory.Site, host: inventory.Host, public_key_sha256: str) -> None:
    """Raises: PolicyViolation: a certificate was revoked as privilegeWithdrawn, and nobody granted another since."""
    place = own_ca.directory(site)
    if not authority.exists(place):
        return
    taken = withdrawn_privilege(
        authority.open_ledger(place),
        host.name,
        host.names.all,
        public_key_sha256,
        host.certificate.granted_again,
        host.purpose,
    )
    if taken:
        raise PolicyViolation(
            taken_away(taken, host.purpose),
            host.name,
            message(
                "where it may have one again, write that line at the host, so that it is reviewed like "
                "any other"
            ),
        )
