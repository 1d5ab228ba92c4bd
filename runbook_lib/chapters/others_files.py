"""Files that the inventory names and that are somebody else's: the host's trust store, another program's key.

They would be written over, and whoever reads them would go on with a server's key or certificate in their place. A run
refuses them by name, before its first change. What an administrator made for this server is none of these: a
certificate for its names or its key, a key that this certificate is for, a CSR of this key, or a file by the name that
the chapters have for it where the inventory names no other.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from cryptography import x509

from runbook_lib.chapters.opening import Opened
from runbook_lib.errors import ApplyRefused, CertificateRefused, CsrRefused
from runbook_lib.inventory.purposes import field_of
from runbook_lib.messages import joined, message
from runbook_lib.pki import certificate, csr
from runbook_lib.remote.change import quote
from runbook_lib.remote.facts import Fact, gather
from runbook_lib.remote.journal import ROOT
from runbook_lib.site_ca import renewal
from runbook_lib.x509 import dns_id, keys

# Whether a run made it that was not put back; else whose it is: a package's, by its list or by what clears it away.
_LOOK = rf"""
if [ ! -e {{path}} ]; then echo absent; exit; fi
grep -lxF -- {{path}} {ROOT}/*/*.path 2>/dev/null | while read -r p; do
    n=${{{{p%.*.path}}}}; if [ -e "$n.begun" ] && [ ! -e "$n.undone" ]; then echo ours; break; fi
done | grep . && exit
p=$(dpkg-query -S {{path}} 2>/dev/null | cut -d : -f 1) ||:
if [ -z "$p" ]; then p=$(rpm -qf --qf '%{{{{NAME}}}}\n' {{path}} 2>/dev/null) || p=; fi
if [ -z "$p" ]; then
    p=$(grep -lF -- {{name}} /var/lib/dpkg/info/*.postrm 2>/dev/null | head -n 1)
    p=${{{{p##*/}}}}; p=${{{{p%.postrm}}}}
fi
if [ -n "$p" ]; then echo "made by package $p"; exit; fi
stat -c 'made by no package and by no run; owner %U, last changed %y' {{path}} | cut -d . -f 1
"""


def facts(paths: Sequence[PurePosixPath]) -> dict[str, str]:
    """What is asked of a host as root: for each path that it is absent, ours, or whose it is."""
    return {f"whose {path}": _LOOK.format(path=quote(path), name=quote(path.name)).strip() for path in paths}


def refuse(opened: Opened, what: Sequence[str]) -> None:
    """Refuse to write over what somebody else made.

    Args:
        what: fields of `certificate` in the inventory whose files would be written.
    Raises:
        ApplyRefused: with each file, and whose it is. Nothing was changed.
    """
    found = others(opened, what)
    if found:
        told = joined("\n    ", found)
        raise ApplyRefused(
            message(
                "the inventory names a file that is somebody else's, and it would be written over:\n    "
                "{told}",
                told=told,
            ),
            opened.host.name,
            message(
                "name another file under hosts.{host}.{field} in the inventory; where it is not "
                "needed any more, move it away on the host",
                host=opened.host.name,
                field=field_of(opened.host.purpose),
            ),
        )


def notes(opened: Opened, what: Sequence[str]) -> tuple[str, ...]:
    """For a plan: what apply refuses, a sentence each."""
    return tuple(
        message("Apply refuses to write over what is somebody else's: {file}.", file=one)
        for one in others(opened, what)
    )


def others(opened: Opened, what: Sequence[str]) -> tuple[str, ...]:
    """Those files of these fields that are somebody else's: field, path, and whose it is, a line each."""
    values = opened.host.certificate
    default = type(values).model_fields
    named = [field for field in what if getattr(values, field) != default[field].default]
    if not named:
        return ()
    paths = {field: _path(opened, field) for field in named}
    request = quote(_path(opened, "csr_file"))
    asked = {
        **renewal.facts(opened.family, opened.host),
        **facts(tuple(paths.values())),
        "csr": f"cat {request}",
    }
    said = gather(opened.remote, asked, root=True)
    fits = {
        "certificate_file": _certificate_fits,
        "nopass_key_file": _key_fits,
        "key_file": _key_fits,
        "csr_file": _csr_fits,
    }
    return tuple(_others(paths, {field: fits[field](opened, said) for field in named}, said))


def _others(
    paths: Mapping[str, PurePosixPath], fits: Mapping[str, bool], said: Mapping[str, Fact]
) -> Iterator[str]:
    for field, path in paths.items():
        whose = said[f"whose {path}"].value
        if whose not in ("absent", "ours") and not fits[field]:
            yield joined("", (f"{field}: {path}, ", whose or message("nobody knows by whom")))


def _path(opened: Opened, field: str) -> PurePosixPath:
    family = opened.family
    folder = family.certificate_directory if field == "certificate_file" else family.key_directory
    return folder / str(getattr(opened.host.certificate, field))


def _leaf(said: Mapping[str, Fact]) -> x509.Certificate | None:
    try:
        return certificate.load(said["certificate"].value.encode() + b"\n", "the certificate")
    except CertificateRefused:
        return None


def _certificate_fits(opened: Opened, said: Mapping[str, Fact]) -> bool:
    leaf = _leaf(said)
    if leaf is None:
        return False
    is_of_key = keys.public_key_sha256(leaf.public_key()) == said["public_key"].value
    return is_of_key or not set(opened.host.names.all).isdisjoint(dns_id.of(leaf))


def _key_fits(_opened: Opened, said: Mapping[str, Fact]) -> bool:
    leaf = _leaf(said)
    return leaf is not None and keys.public_key_sha256(leaf.public_key()) == said["public_key"].value


def _csr_fits(opened: Opened, said: Mapping[str, Fact]) -> bool:
    try:
        found = csr.check_csr(said["csr"].value.encode() + b"\n", opened.host.names.all, "the CSR")
    except CsrRefused:
        return False
    return found.public_key_sha256 == said["public_key"].value or bool(found.names)
