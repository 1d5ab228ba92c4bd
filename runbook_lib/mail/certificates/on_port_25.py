"""The certificate that is on port 25 before this runbook comes: why it stays, and whether it serves submission, too."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from cryptography import x509

from runbook_lib.mail.certificates.configured import LEGACY, ConfiguredCertificate
from runbook_lib.mail.certificates.pins import Pins
from runbook_lib.messages import joined, message
from runbook_lib.x509 import dns_id


@dataclass(frozen=True)
class CertificateOnPort25:
    """A certificate that main.cf names and no run of ours put there.

    Args:
        found: what main.cf names.
        reasons: why it stays; none: no reason was found.
        unanswered: what could not be asked.
        unfit: why the submission services do not take it; empty: they do, where it stays.
        of_package: it is the one that the package made, for no name that anybody was told.
    """

    found: ConfiguredCertificate
    reasons: tuple[str, ...]
    unanswered: tuple[str, ...]
    unfit: str
    of_package: bool

    @property
    def stays(self) -> bool:
        """Whether main.cf goes on naming it."""
        return bool(self.reasons)

    @property
    def serves(self) -> bool:
        """Whether the submission services show it, too."""
        return self.stays and not self.unfit

    @property
    def is_unknown(self) -> bool:
        """Whether it stays cannot be said: no reason was found, and a question got no answer."""
        return not self.stays and bool(self.unanswered)

    @property
    def leaf(self) -> x509.Certificate:
        return self.found.leaves[0]

    @property
    def why(self) -> str:
        """The reasons, and what follows for the submission services."""
        reasons = joined("; ", self.reasons)
        if self.unfit:
            return message(
                "a certificate that is there stays: {reasons}; 465 and 587 have their own, since {unfit}",
                reasons=reasons,
                unfit=self.unfit,
            )
        return message(
            "a certificate that is there stays: {reasons}; 465 and 587 show it, too", reasons=reasons
        )

    @property
    def words(self) -> str:
        """Which one it is, by whom and until when; who renews it."""
        files = ", ".join(str(file.path) for file in self.found.files if file.certificates)
        own = self.leaf.issuer == self.leaf.subject
        renewed = ", ".join(renewal.program for renewal in self.found.renewed_by)
        return message(
            "{files}, issued by {issuer}, valid to {day}, {renewal}",
            files=files,
            issuer=message("itself") if own else self.leaf.issuer.rfc4514_string(),
            day=f"{self.leaf.not_valid_after_utc:%Y-%m-%d}",
            renewal=message("renewed by {programs}", programs=renewed)
            if renewed
            else message("nothing on this host renews it"),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """For the chapters that make key and certificate: that there is one, or that there is one on 25 only."""
        reasons = joined("; ", self.reasons)
        if self.serves:
            there = message(
                "You already have one: {certificate}. It stays: {reasons}.",
                certificate=self.words,
                reasons=reasons,
            )
            return (there, *self._warnings)
        if self.stays:
            there = message(
                "Port 25 already has one, which stays: {certificate} ({reasons}). "
                "The submission services get their own, since {unfit}.",
                certificate=self.words,
                reasons=reasons,
                unfit=self.unfit,
            )
            return (there,)
        return ()

    @property
    def _warnings(self) -> tuple[str, ...]:
        left = self.leaf.not_valid_after_utc - datetime.now(UTC)
        if self.found.renewed_by or left > timedelta(days=30):
            return ()
        return (
            message(
                "It ends in {days} days, and nothing on this host renews it: renew it in time.",
                days=left.days,
            ),
        )

    def options(self, version: tuple[int, int], pem: PurePosixPath) -> tuple[str, ...]:
        """What a submission service sets to show its own certificate where main.cf names one that stays.

        Entries of main.cf that the option takes the place of are emptied: beside `smtpd_tls_chain_files` smtpd warns of
        them at each start, and without it a second certificate (ECDSA) would be shown.

        Args:
            version: (major, minor) of Postfix; `smtpd_tls_chain_files` is there from 3.4 on (postconf(5)).
            pem: the file with key, certificate and intermediates.
        """
        if not self.stays or self.serves:
            return ()
        names = ("smtpd_tls_chain_files",) if version >= (3, 4) else LEGACY[:2]
        emptied = [name for name in LEGACY if name in self.found.entries and name not in names]
        return (*(f"{name}={pem}" for name in names), *(f"{name}=" for name in emptied))


def judge(
    found: ConfiguredCertificate,
    pins: Pins,
    untrusted: str,
    names: Sequence[str],
    *,
    of_package: bool,
    decided: str = "",
) -> CertificateOnPort25:
    """Judge what is there.

    Args:
        found: what main.cf names.
        pins: what others were told about it.
        untrusted: why it does not validate against the public roots; empty: it does.
        names: what users type, by the inventory.
        of_package: whether it is the package's.
        decided: why the inventory keeps it; "" where it does not say so.
    """
    kept = (message("the inventory keeps it ({reason})", reason=decided),) if decided else ()
    public = () if untrusted else (message("it validates against the public roots"),)
    renewed = tuple(
        message("{program} renews it ({configuration})", program=one.program, configuration=one.configuration)
        for one in found.renewed_by
    )
    missing = [name for name in names if not all(dns_id.covers(leaf, name) for leaf in found.leaves)]
    unfit = (
        message("users' programs do not trust that one ({reason})", reason=untrusted)
        if untrusted
        else message("it lacks {names}", names=", ".join(missing))
        if missing
        else ""
    )
    return CertificateOnPort25(
        found, (*kept, *public, *renewed, *pins.reasons), pins.unanswered, unfit, of_package
    )
