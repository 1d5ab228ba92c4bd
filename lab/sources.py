"""Debian's mirrors as this machine uses them: read from /etc/apt, written down nowhere."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_APT = Path("/etc/apt")
# Settings without which a mirror that works here may not work in a host (a snapshot's dates, a proxy).
_KEPT_SETTINGS = re.compile(
    r"^Acquire::(Check-(Valid-Until|Date)|https?::(.*::)?Proxy|https?::Verify-\S+) .*;$", re.MULTILINE
)
_ARCHIVE_SUITE = re.compile(r"^(bookworm|trixie|bullseye|forky|stable|oldstable|testing)$")


@dataclass(frozen=True)
class Mirrors:
    """Where Debian's packages come from.

    Args:
        archive: address of the archive.
        security: address of the security archive, or None.
        settings: apt settings to give to hosts, a line each.
    """

    archive: str
    security: str | None
    settings: str

    def sources(self, suite: str) -> str:
        """deb822 sources for a release, as a Debian of that release has them."""
        stanzas = [_stanza(self.archive, f"{suite} {suite}-updates")]
        if self.security:
            stanzas.append(_stanza(self.security, f"{suite}-security"))
        return "\n".join(stanzas)


def mirrors() -> Mirrors | None:
    """Read this machine's apt sources.

    Returns: the mirrors, or None where no source carries Debian itself.
    """
    archive = security = None
    for address, suites in _entries():
        if any(suite.endswith(("-security", "/updates")) for suite in suites):
            security = security or address
        elif any(_ARCHIVE_SUITE.match(suite) for suite in suites):
            archive = archive or address
    if archive is None:
        return None
    dump = subprocess.run(
        ["apt-config", "dump"], capture_output=True, text=True, check=True, timeout=20
    ).stdout
    settings = "".join(f"{match.group(0)}\n" for match in _KEPT_SETTINGS.finditer(dump))
    return Mirrors(archive, security, settings)


def _entries() -> list[tuple[str, list[str]]]:
    """Address and suites of each `deb` entry, in both of apt's formats."""
    found = []
    for path in [*_APT.glob("sources.list"), *sorted((_APT / "sources.list.d").glob("*.list"))]:
        for line in path.read_text(encoding="utf-8").splitlines():
            words = re.sub(r"\[[^\]]*\]", "", line.partition("#")[0]).split()
            if len(words) >= 3 and words[0] == "deb":
                found.append((words[1], [words[2]]))
    for path in sorted((_APT / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            fields = dict(re.findall(r"^(\w[\w-]*):[ \t]*(.*)$", stanza, re.MULTILINE))
            if "deb" in fields.get("Types", "").split():
                suites = fields.get("Suites", "").split()
                found += [(address, suites) for address in fields.get("URIs", "").split()]
    return found


def _stanza(address: str, suites: str) -> str:
    return (
        f"Types: deb\nURIs: {address}\nSuites: {suites}\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
