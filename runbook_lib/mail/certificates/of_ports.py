"""Which certificate each port is told to show: by main.cf, or by the port's own service in master.cf."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from cryptography import x509

from runbook_lib.remote.change import quote
from runbook_lib.remote.facts import Fact
from runbook_lib.x509 import der

# The name of a service is a number or one of /etc/services, and 465 has had two (RFC 8314 7.3).
_SERVICES = {25: ("smtp", "25"), 465: ("submissions", "smtps", "465"), 587: ("submission", "587")}


@dataclass(frozen=True)
class OnDisk:
    """The files that a port is told to show, and the certificates in them.

    Args:
        paths: as Postfix is told.
        leaves: the first certificate of each file.
        certificates: of all files, in their order.
        unread: files with a certificate that cannot be read; none of such a file counts.
    """

    paths: tuple[PurePosixPath, ...]
    leaves: tuple[x509.Certificate, ...]
    certificates: tuple[x509.Certificate, ...]
    unread: tuple[PurePosixPath, ...] = ()


def facts(ports: Iterable[int]) -> dict[str, str]:
    """A fact a port; of a file with a key, too, certificates alone are read; of one without end the first line."""
    return {f"told_{port}": _command(_SERVICES[port]) for port in ports}


def _command(services: Sequence[str]) -> str:
    return f"""
table=$(postconf -M 2>/dev/null)
service=
for name in {" ".join(map(quote, services))}; do
    if printf '%s\\n' "$table" | awk -v n="$name" '$1 == n && $2 == "inet" {{ found = 1 }} END {{ exit !found }}'
    then service=$name; break; fi
done
if [ -z "$service" ]; then exit 0; fi
of() {{
    own=$(printf '%s\\n' "$table" | awk -v n="$service" '$1 == n && $2 == "inet"' | tr ' ' '\\n' | sed -n "s/^$1=//p")
    if [ -n "$own" ]; then printf '%s\\n' "$own"; else postconf -hx "$1" 2>/dev/null || postconf -h "$1" 2>/dev/null; fi
}}
files=$(of smtpd_tls_chain_files)
if [ -z "$files" ]; then files="$(of smtpd_tls_cert_file) $(of smtpd_tls_eccert_file)"; fi
for file in $(printf '%s' "$files" | tr ',' ' '); do
    printf 'FILE %s\\n' "$file"
    awk '/-----BEGIN / {{ if (inside) print begin; block = ""; inside = /BEGIN CERTIFICATE/; begin = $0 }}
        inside {{ block = block $0 "\\n" }}
        /-----END CERTIFICATE/ && inside {{ printf "%s", block; inside = 0 }}
        END {{ if (inside) print begin }}' "$file" 2>/dev/null
done
"""


def on_disk(fact: Fact) -> OnDisk | None:
    """What a port is told to show; None where it has no service, or the service no certificate."""
    paths: list[PurePosixPath] = []
    leaves: list[x509.Certificate] = []
    certificates: list[x509.Certificate] = []
    unread: list[PurePosixPath] = []
    for part in f"\n{fact.value}".split("\nFILE ")[1:]:
        path, _, text = part.partition("\n")
        paths.append(PurePosixPath(path))
        try:
            found = der.certificates(text.encode()) if text else ()
        except ValueError:
            unread.append(paths[-1])
            continue
        leaves += found[:1]
        certificates += found
    return OnDisk(tuple(paths), tuple(leaves), tuple(certificates), tuple(unread)) if paths else None
