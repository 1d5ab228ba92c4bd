"""Port 25 as a chapter finds it: the certificate there, with what holds it there, asked once; floor and AUTH."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime

from runbook_lib.chapters.opening import Opened
from runbook_lib.errors import ApplyRefused, CertificateRefused
from runbook_lib.inventory.place import Place
from runbook_lib.inventory.purposes import MX, field_of
from runbook_lib.mail.certificates import configured, on_port_25, pins
from runbook_lib.mail.certificates.configured import FACTS, ConfiguredCertificate
from runbook_lib.mail.certificates.on_port_25 import CertificateOnPort25
from runbook_lib.mail.certificates.pins import Pins
from runbook_lib.mail.configuration import unreadable
from runbook_lib.mail.configuration.mail_files import MailFiles
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.probes import Row, Verdict
from runbook_lib.mail.target import logins
from runbook_lib.messages import joined, message
from runbook_lib.pki import certificate, chain, pem
from runbook_lib.remote.change import quote
from runbook_lib.remote.facts import Fact, gather
from runbook_lib.site_ca import own_ca
from runbook_lib.visible import one_line
from runbook_lib.x509 import dns_id, trusted_roots
from runbook_lib.x509.certificate import public_key_sha256


def look(opened: Opened) -> CertificateOnPort25 | None:
    """Read and judge what main.cf names; None where it names nothing, or what an earlier run of ours made."""
    return judged(opened, gather(opened.remote, {**unreadable.FACTS, **FACTS}, root=True))


def judged(opened: Opened, facts: Mapping[str, Fact]) -> CertificateOnPort25 | None:
    """As `look`, from facts that were read by now.

    Args:
        facts: with the answers to `unreadable.FACTS` and `configured.FACTS`.
    Raises:
        ApplyRefused, CommandFailed, CertificateRefused: what is there cannot be read.
        UsageError, VerificationFailed: this machine has no public roots to judge by.
        ApplyRefused: the inventory has a certificate for port 25, and one that is there stays.
    """
    unreadable.check(facts, opened.host.name)
    found = configured.read(facts, opened.host.name)
    ours = {MailFiles.of(opened.family, one).joined for one in opened.host.by_certificate}
    named = {file.path for file in found.files} if found else set()
    if found is None or (len(named) == 1 and named <= ours):
        return None
    left = opened.release.main_cf
    of_package = all(value in left.get(name, ()) for name, value in found.entries.items())
    decided = (opened.host.decided(Place.main(name)) for name in found.entries)
    kept = next((one.reason for one in decided if one is not None and one.decide == "keep"), "")
    there = on_port_25.judge(
        found,
        _pins(opened, found, of_package),
        _untrusted(opened, found),
        opened.host.names.all,
        of_package=of_package,
        decided=kept,
    )
    if there.stays and len(ours) > 1:
        raise ApplyRefused(
            message(
                "the inventory has a certificate for port 25 ({field}), and the one that is there stays: {reasons}",
                field=field_of(MX),
                reasons=joined("; ", there.reasons),
            ),
            opened.host.name,
            message(
                "leave {field} out, so that port 25 goes on with what it has; or take away what holds that one",
                field=field_of(MX),
            ),
        )
    return there


def _pins(opened: Opened, found: ConfiguredCertificate, of_package: bool) -> Pins:
    """What pins it, asked once a chapter. A promise of a public certificate is not about the package's own."""
    if found.chain not in opened.pins:
        site = opened.inventory.site
        opened.pins[found.chain] = pins.ask(
            found.chain, opened.host.every_name, site.domain, site.resolver, sts=not of_package
        )
    return opened.pins[found.chain]


def _untrusted(opened: Opened, found: ConfiguredCertificate) -> str:
    """Why the certificate does not validate against the public roots; empty where it does.

    The site's own CA is no public root, though a site may have put it among those of this machine.
    """
    if any(certificate.is_issued_by(leaf, leaf) for leaf in found.leaves):
        return message("it is signed by its own key")
    roots = _roots(opened, found)
    if not roots:
        issuer = one_line(found.leaves[0].issuer.rfc4514_string())
        return message("no public root leads to its issuer {issuer}", issuer=issuer)
    others = found.chain[len(found.leaves) :]
    for leaf in found.leaves:
        names = dns_id.of(leaf)[:1]
        if not names:
            return message("it has no DNS name")
        try:
            path = chain.Chain((leaf, *others))
            chain.verify(path, roots, names, datetime.now(UTC), f"{opened.host.name}, port 25")
        except CertificateRefused as error:
            return error.problem
    return ""


def _roots(opened: Opened, found: ConfiguredCertificate) -> bytes:
    """Those of this machine's public roots that bear the name of an issuer in the files, as PEM.

    OpenSSL reads the roots, as it does for every connection from here; only what may be needed is read further, since
    among public roots are some that `cryptography` will refuse to read (a serial number of zero).

    Raises:
        UsageError, VerificationFailed: this machine has no public roots.
    """
    roots = trusted_roots.context().get_ca_certs(binary_form=True)
    own = {
        one.der
        for one in pem.read(
            own_ca.every_root(opened.inventory.site), "CERTIFICATE", certificate.FILE_BYTES_MAX
        ).blocks
    }
    issuers = {one.issuer.public_bytes() for one in found.chain}
    return b"".join(
        ssl.DER_cert_to_PEM_cert(root).encode()
        for root in roots
        if root not in own and any(issuer in root for issuer in issuers)
    )


def told(there: CertificateOnPort25 | None) -> dict[str, str]:
    """Facts for the record: which certificate was found on port 25, and why it stays; none where there is none."""
    if there is None or not there.stays:
        return {}
    return {"certificate_on_25": there.words, "certificate_stays": there.why}


def rows(there: CertificateOnPort25 | None) -> list[tuple[str, str]]:
    """For the table of what is there now; none where nothing stays, so that nobody reads about what is not there."""
    return [(message("certificate of port 25"), there.why)] if there and there.stays else []


def key_rows(claim: str, there: CertificateOnPort25) -> list[Row]:
    """Judge the keys of a certificate that stays: each fits it, and nobody but root and a group may read it.

    Whom an administrator lets read it is not ours to mend, so too many readers are a warning.
    """
    fitting = {public_key_sha256(leaf) for leaf in there.found.leaves}
    found = []
    for file in there.found.files:
        if not file.public_key_sha256:
            continue
        public = f"openssl pkey -in {quote(file.path)} -pubout"
        good = file.public_key_sha256 in fitting
        fits = (
            message("{path}: fits the certificate", path=file.path)
            if good
            else message("{path}: does not fit the certificate", path=file.path)
        )
        found.append(_row(claim, fits, good, public))
        open_to_all = not file.state.split(" ")[0].endswith("0")
        words = (
            message("warning: {path}: everybody may read it", path=file.path)
            if open_to_all
            else f"{file.path}: {file.state}"
        )
        found.append(_row(claim, words, True, f"stat -L -c '%a %U:%G' {quote(file.path)}"))
    return found or [
        _row(claim, message("main.cf names no file with a key"), False, "postconf -n smtpd_tls_key_file")
    ]


def certificate_rows(claim: str, opened: Opened) -> list[Row]:
    """Judge a certificate that stays as users' programs do: by the public roots, and for every name that they type."""
    there = look(opened)
    if there is None or not there.serves:
        words = there.unfit if there else message("main.cf names no certificate any more")
        words = words or message("nothing holds it there any more")
        return [_row(claim, words, False, "postconf -n | grep ^smtpd_tls_")]
    names = ", ".join(opened.host.names.all)
    command = f"openssl storeutl -certs -text -noout {quote(there.found.files[0].path)}"
    seen = message("it validates against the public roots for {names}", names=names)
    return [_row(claim, seen, True, command)]


def _row(claim: str, seen: str, good: bool, command: str) -> Row:
    return Row(claim, None, "", "-", Verdict.PASS if good else Verdict.FAIL, seen, command)


def in_words(state: MailState) -> str:
    """Floor and AUTH of port 25, as the inventory asks for them or as they were found."""
    asked = state.host.submission
    found = state.main_cf.get("smtpd_tls_protocols", message("the default of this version"))
    floor = (
        message("floor as found: {protocols}", protocols=found)
        if asked.floor_on_25 == "as found"
        else message("floor TLS 1.2")
    )
    other = logins.other_login(state)
    stays = logins.auth_on_25_stays(state, other)
    as_found = message("AUTH after TLS, as found") if stays else message("no AUTH")
    return joined("; ", (floor, message("AUTH after TLS") if asked.auth_on_25 else as_found))
