"""Certificates and keys that shall serve no more: which they are, and whether undoing a run brings one back."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from cryptography import x509

from runbook_lib import inventory
from runbook_lib.errors import ApplyRefused
from runbook_lib.families.known import FAMILIES
from runbook_lib.inventory.typed import apply_to
from runbook_lib.messages import joined, message
from runbook_lib.pki import authority
from runbook_lib.pki.revocation import compromised_keys, revocations
from runbook_lib.remote.change import quote
from runbook_lib.remote.connection import Host
from runbook_lib.remote.journal import FUNCTIONS, ROOT
from runbook_lib.site_ca import own_ca
from runbook_lib.x509 import keys
from runbook_lib.x509.certificate import spelled_serial


def barred(site: inventory.Site) -> dict[str, str]:
    """What the own CA's ledger and lists say of certificates and keys that shall serve no more.

    Returns: a certificate's serial, or the SHA-256 of a key's public half, to why; nothing without a CA.
    Raises:
        AuthorityError: the ledger, or a list beside it, cannot be read.
    """
    place = own_ca.directory(site)
    if not authority.exists(place):
        return {}
    ledger = authority.open_ledger(place)
    told: dict[str, str] = {
        one.serial: message("was revoked on {day} ({reason})", day=f"{one.at:%Y-%m-%d}", reason=one.reason)
        for one in revocations(ledger).values()
    }
    told |= {
        key: message("is for a key that was compromised ({serial} was revoked for it)", serial=serial)
        for key, serial in compromised_keys(ledger).items()
    }
    return told


def why(barred_here: Mapping[str, str], leaf: x509.Certificate) -> str:
    """Why a certificate shall serve no more; '' where nothing is against it.

    Args:
        barred_here: what `barred` said.
    """
    return barred_here.get(spelled_serial(leaf.serial_number), "") or barred_here.get(
        keys.public_key_sha256(leaf.public_key()), ""
    )


def coming_back(
    site: inventory.Site, host: inventory.Host, connected: Host, run: str, first: str = ""
) -> tuple[str, ...]:
    """Which certificates and keys, that shall serve no more, the undoing of a run would bring back to a host.

    Args:
        connected: the host, which has the journal; a run without one brings nothing back.
        run: the run's id.
        first: the change from which on it would be undone; '': the whole run.
    Returns: a line each: the file, the serial where it is a certificate's, and why.
    """
    against = barred(site)
    if not (against or _any_has_ended(site)):
        return ()
    there = [
        line.split("\t") for line in connected.run(_script(host, run, first), root=True).text.splitlines()
    ]
    against |= _ended(site, [serial for _, serial, _ in there])
    told = []
    for path, serial, key in there:
        reason = against.get(serial, "") or against.get(key, "")
        if reason:
            told.append(
                message("{path}: the certificate {serial} {reason}", path=path, serial=serial, reason=reason)
                if serial
                else message("{path}: the key {reason}", path=path, reason=reason)
            )
    return tuple(told)


def refuse_to_bring_back(book: inventory.Inventory, host: inventory.Host, connected: Host, run: str) -> None:
    """Raises: ApplyRefused: undoing the run would bring back what shall serve no more."""
    found = coming_back(book.site, host, connected, run)
    if found:
        raise ApplyRefused(
            message(
                "undoing run {run} would bring back what shall serve no more:\n    {found}",
                run=run,
                found=joined("\n    ", found),
            ),
            host.name,
            message(
                "leave the run as it is, and change what is wrong with it in a new one ({command}); who "
                "wants these back all the same runs `sh {root}/undo.sh` on the host, which asks no ledger",
                command=apply_to(book, host),
                root=ROOT / run,
            ),
        )


def _any_has_ended(site: inventory.Site) -> bool:
    place = own_ca.directory(site)
    return authority.exists(place) and authority.open_ledger(place).has_ended(datetime.now(UTC))


def _ended(site: inventory.Site, serials: Iterable[str]) -> dict[str, str]:
    """Those of the own CA's certificates that have ended, of which another was made since or has to be."""
    place = own_ca.directory(site)
    if not authority.exists(place):
        return {}
    now = datetime.now(UTC)
    return {
        one.serial: message("ended on {day}", day=f"{one.not_after:%Y-%m-%d}")
        for one in authority.open_ledger(place).of_serials(serials)
        if one.not_after < now
    }


def _script(host: inventory.Host, run: str, first: str) -> str:
    """For each of our files that the journal has as of before, and that differs now: path, serial, key's digest."""
    values = [one.certificate for one in host.by_certificate]
    certificates = {
        path
        for family in FAMILIES
        for one in values
        for path in (
            family.certificate_directory / one.certificate_file,
            family.key_directory / one.joined_file,
        )
    }
    private = {family.key_directory / one.nopass_key_file for family in FAMILIES for one in values}
    cases = [
        ("x509 -noout -pubkey", "certificate", certificates),
        ("pkey -pubout", "key", private),
    ]
    arms = "\n".join(
        f"{'|'.join(quote(path) for path in sorted(paths))}) how={quote(how)}; kind={kind} ;;"
        for how, kind, paths in cases
    )
    return f"""{FUNCTIONS}
J={quote(ROOT / run)}
seen=' '
for part in "$J"/*.path; do
part=${{part%.path}}
number=${{part##*/}}; number=${{number%%.*}}
if [ ! -e "$part.before" ] || [ -e "$J/$number.undone" ]; then continue; fi
if [ "$number" -lt {first or 0} ]; then continue; fi
path=$(cat "$part.path")
case $path in
{arms}
*) continue ;;
esac
case $seen in *" $path "*) continue ;; esac
seen="$seen$path "
if cmp -s "$part.before" "$path"; then continue; fi
serial=
if [ "$kind" = certificate ]; then
serial=$(openssl x509 -in "$part.before" -noout -serial 2>/dev/null) || continue
fi
key=$(openssl $how -in "$part.before" 2>/dev/null | openssl pkey -pubin -outform DER 2>/dev/null | sha256sum)
printf '%s\\t%s\\t%s\\n' "$path" "${{serial#serial=}}" "${{key%% *}}"
done
:
"""
