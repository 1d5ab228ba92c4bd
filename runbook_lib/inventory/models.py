"""What an inventory says: the site, its hosts, and the document's table of values as defaults.

Every model is strict (a number in quotes is not a number), frozen, and knows no other fields. Each field's
description stands in `inventory/schema.json`, where an editor shows it, and in messages about wrong values.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from runbook_lib.errors import UsageError
from runbook_lib.families.known import FAMILIES
from runbook_lib.inventory.decisions import Decision, Decisions
from runbook_lib.inventory.maintenance import Group, Maintenance
from runbook_lib.inventory.managers import ManagerName
from runbook_lib.inventory.place import DNS, Place
from runbook_lib.inventory.purposes import MAIL, MX, Purpose, field_of
from runbook_lib.inventory.strict import Model
from runbook_lib.inventory.values import (
    Address,
    CertificateName,
    Day,
    DnsName,
    FileName,
    IpAddress,
    Jump,
    LocalPath,
    Login,
    Port,
    Realm,
    Reference,
    Serial,
    all_different,
)
from runbook_lib.messages import message

if TYPE_CHECKING:
    FamilyName = str
else:  # one home: a family that is added is known here too
    FamilyName = Literal[tuple(family.name for family in FAMILIES)]

# Host names are folders of a record, on file systems that may not tell A from a.
HOST_NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"


class Ca(Model):
    """The certificate authority that this site runs itself; it lives with the person, not in the checkout."""

    directory: LocalPath = Field(
        "~/.local/share/runbook/ca", description=message("folder of the CA's key and ledger")
    )
    passphrase: Reference = Field(
        description=message("where the passphrase of the CA's key is, never the passphrase itself")
    )
    common_name: str = Field(
        "",
        max_length=64,
        description=message("the CA's name, as users' devices show it; empty: the site's name and 'mail CA'"),
    )
    valid_days: int = Field(
        3650, ge=1, le=36500, description=message("lifetime of the CA's own certificate, in days")
    )
    domains: tuple[DnsName, ...] = Field(
        (),
        description=message(
            "domains beside the site's own in which the CA signs names; a root that is made bears them all"
        ),
        examples=[["example.com"]],
    )


class Timestamp(Model):
    """A time-stamping authority (RFC 3161), which is asked for each signature."""

    url: str = Field(
        pattern=r"^https?://[A-Za-z0-9.:\[\]-]+(/[!-~]*)?$",
        description=message("where it is asked"),
        examples=["http://tsa.example.jp/"],
    )
    root: LocalPath = Field(
        description=message("a file with its root certificates (PEM), by which its answers are checked"),
        examples=["/etc/ssl/tsa-example.pem"],
    )


class Records(Model):
    """Where a site's records lie, who may read them, and what vouches for them."""

    directory: LocalPath | None = Field(
        None,
        description=message(
            "the folder of all records; without it records/ of the checkout, or, where the runbook is "
            "installed, that of the user's data folder"
        ),
        examples=["/srv/mail/records"],
    )
    group: str | None = Field(
        None,
        min_length=1,
        description=message("a group here that may read them; without it they are their owner's alone"),
        examples=["mailadmin"],
    )
    signing: Literal["off", "offered", "required"] = Field(
        "off",
        description=message(
            "whether a run's record is signed with the operator's SSH key: off; offered, where a key that may "
            "sign is there; required, so that nothing is applied without one"
        ),
    )
    approvals: int = Field(
        0,
        ge=0,
        le=9,
        description=message(
            "how many other people have to approve a plan before it is applied; it takes signing: required. "
            "Once a run has begun with it, the chain of records has it, and a lower number here lowers nothing"
        ),
        examples=[1],
    )
    approval_days: int | None = Field(
        None,
        ge=1,
        le=366,
        description=message("how many days an approval is good at most; without it 7"),
        examples=[7],
    )
    emergency_review_days: int | None = Field(
        None,
        ge=1,
        le=366,
        description=message(
            "within how many days a run without approval (--emergency) is to be reviewed; without it 3"
        ),
        examples=[3],
    )
    timestamp: Timestamp | None = Field(
        None,
        description=message(
            "a time-stamping authority (RFC 3161), asked for each signature; without it none is"
        ),
    )
    log_server: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description=message(
            "who keeps elsewhere what the hosts write to their syslog, and for how long: an auditor is told. "
            "The runbook neither sets it up nor asks it"
        ),
        examples=["log.example.jp, 7 years"],
    )

    @model_validator(mode="after")
    def _approved_by_another_key(self) -> "Records":
        if self.approvals and self.signing != "required":
            raise ValueError(
                message(
                    "approvals take signing: required, since the approver's key has to be another than the "
                    "operator's"
                )
            )
        return self


class Site(Model):
    """What all hosts have in common."""

    name: str = Field(
        min_length=1,
        max_length=50,
        description=message("the site's name, as it stands on pages and in the CA"),
    )
    domain: DnsName = Field(
        description=message("the mail domain, what stands behind the '@'"), examples=["example.jp"]
    )
    resolver: IpAddress | None = Field(
        None,
        description=message("address of a DNS server to ask; without it the system's"),
        examples=["192.0.2.53"],
    )
    known_hosts: LocalPath = Field(
        "~/.ssh/known_hosts",
        description=message(
            "the one file with the hosts' SSH keys; others are refused. Without it those that ssh looks in"
        ),
    )
    ca: Ca = Field(description=message("the site's certificate authority"))
    records: Records = Field(
        Records(),
        description=message("where the site's records lie, who may read them, and what vouches for them"),
    )
    maintenance: Maintenance | None = Field(
        None, description=message("when changes may be made on any of the hosts; without it always")
    )
    groups: dict[str, Group] = Field(
        {}, description=message("what is said once for all hosts of a group, each group under its name")
    )

    @model_validator(mode="before")
    @classmethod
    def _name_the_ca(cls, data: Any) -> Any:
        match data:
            case {"name": str(name), "ca": dict(ca)} if not ca.get("common_name"):
                return {**data, "ca": {**ca, "common_name": f"{name} mail CA"}}
        return data


class Sudo(Model):
    """How the user becomes root."""

    password: Reference | None = Field(
        None,
        description=message("where the sudo password is; without it sudo asks for none, or the user is root"),
    )


class Names(Model):
    """The names that users' mail programs connect to; all of them go into the certificate."""

    smtp: DnsName = Field(
        description=message("the name users send mail through"), examples=["mail.example.jp"]
    )
    pop: DnsName | None = Field(
        None, description=message("the name users fetch mail from, where it is another one")
    )
    further: tuple[DnsName, ...] = Field((), description=message("more names for the certificate"))

    @property
    def all(self) -> tuple[str, ...]:
        """Every name once, the SMTP name first; lower case, A-labels."""
        return tuple(dict.fromkeys((self.smtp, *((self.pop,) if self.pop else ()), *self.further)))


class CertificateValues(Model):
    """The server's key and certificate: the document's table of values."""

    key_file: FileName = Field(
        "mail-server.key", description=message("file name of the encrypted private key")
    )
    nopass_key_file: FileName = Field(
        "nopass_mail-server.key", description=message("file name of the key without passphrase")
    )
    csr_file: FileName = Field("csr_mail-server.pem", description=message("file name of the signing request"))
    certificate_file: FileName = Field("mail-server.pem", description=message("file name of the certificate"))
    key_type: Literal["rsa", "p256"] = Field(
        "rsa", description=message("kind of key; p256 is an elliptic curve")
    )
    key_bits: Literal[2048, 3072, 4096] = Field(2048, description=message("size of an RSA key, in bits"))
    valid_days: int = Field(365, ge=1, le=398, description=message("lifetime of the certificate, in days"))
    renew_days: int = Field(
        30, ge=1, le=397, description=message("days left at which a run renews the certificate")
    )
    rekey_after: Day | None = Field(
        None,
        description=message(
            "a key that was made before this day (UTC) is replaced, by the first run on or after it"
        ),
        examples=["2027-01-15"],
    )
    granted_again: Serial | None = Field(
        None,
        description=message(
            "serial of a certificate that was revoked as privilegeWithdrawn: the host may have another again"
        ),
        examples=["0AB0112233445566778899AABBCCDDEE"],
    )
    new_key_at_renewal: bool = Field(False, description=message("each renewal makes a new key, too"))
    key_passphrase: Reference = Field(
        description=message("where the passphrase of the encrypted key file is")
    )
    signed_by: Literal["own CA", "public CA"] | None = Field(
        None,
        description=message(
            "who signs it; without it the own CA, unless a public CA's is there: then a person decides"
        ),
    )
    returned: tuple[LocalPath, ...] = Field(
        (),
        description=message(
            "files, or folders of files, that a public CA returned for this host, in any form and order"
        ),
        examples=[["returned/mail1.zip"]],
    )
    also_named: tuple[CertificateName, ...] = Field(
        (),
        description=message("further names that a public CA put into the certificate and that were accepted"),
        examples=[["www.example.jp", "*.example.jp", "IP 192.0.2.10"]],
    )

    @property
    def is_public(self) -> bool:
        """Whether a public CA signs it, by the inventory."""
        return self.signed_by == "public CA" or bool(self.returned)

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the document's files: both keys, CSR, certificate."""
        return (self.key_file, self.nopass_key_file, self.csr_file, self.certificate_file)

    @property
    def joined_file(self) -> str:
        """The name of the one file that Postfix reads, made of key and chain."""
        return f"postfix_{self.certificate_file}"

    @property
    def all_files(self) -> tuple[str, ...]:
        """The names of every file that the chapters make of it on a host."""
        return (*self.files, self.joined_file)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.returned and self.signed_by == "own CA":
            raise ValueError(
                message(
                    "has returned beside signed_by: own CA; write signed_by: public CA, or leave returned out"
                )
            )
        if self.key_type == "p256" and "key_bits" in self.model_fields_set:
            raise ValueError(
                message("has key_bits beside key_type: p256, which has one size; leave key_bits out")
            )
        if self.renew_days >= self.valid_days:
            raise ValueError(
                message(
                    "has renew_days {renew_days} with valid_days {valid_days}: every run would renew; write "
                    "renew_days smaller than valid_days",
                    renew_days=self.renew_days,
                    valid_days=self.valid_days,
                )
            )
        all_different(self.all_files)
        return self


class MxCertificate(CertificateValues):
    """A certificate for port 25 alone, where other servers deliver: names, key and files of its own."""

    names: Annotated[tuple[DnsName, ...], AfterValidator(all_different)] = Field(
        min_length=1,
        description=message("the names by which other servers come to port 25, that of the MX record first"),
        examples=[["mx.example.jp"]],
    )
    key_file: FileName = Field("mx-server.key", description=message("file name of the encrypted private key"))
    nopass_key_file: FileName = Field(
        "nopass_mx-server.key", description=message("file name of the key without passphrase")
    )
    csr_file: FileName = Field("csr_mx-server.pem", description=message("file name of the signing request"))
    certificate_file: FileName = Field("mx-server.pem", description=message("file name of the certificate"))


class FurtherCertificates(Model):
    """Certificates beside the one that users' programs meet, each under what it is for."""

    mx: MxCertificate | None = Field(
        None,
        description=message(
            "what other servers meet at port 25; without it port 25 shows the certificate of 465 and 587"
        ),
    )


class Submission(Model):
    """Where users hand in mail, and what port 25 gets beside that."""

    ports: Annotated[tuple[Literal[465, 587], ...], AfterValidator(all_different)] = Field(
        (465, 587),
        min_length=1,
        description=message("submission ports: 465 is TLS from the first byte, 587 is STARTTLS"),
    )
    ciphers: Literal["base", "strict"] = Field(
        "base", description=message("strict: forward secrecy and AEAD only, which shuts out some old clients")
    )
    auth_on_25: bool = Field(
        False, description=message("offer AUTH on port 25 too, as the document of 2013 has it")
    )
    floor_on_25: Literal["as found", "TLSv1.2"] = Field(
        "as found",
        description=message(
            "lowest TLS version on port 25, where a refused handshake falls back to clear text"
        ),
    )


class Port25(Model):
    """What others rely on at port 25, where other servers deliver."""

    ca_file: LocalPath | None = Field(
        None,
        description=message(
            "root certificates (PEM) by which the certificate that stays on port 25 is proven: those of a CA "
            "that is neither public nor this site's own"
        ),
        examples=["roots/partners-ca.pem"],
    )


class Sasl(Model):
    """How accounts are checked."""

    realm: Realm = Field(
        "",
        description=message(
            "realm behind the '@' of a login name, which is part of the account's name; empty: users log in "
            "with the bare name"
        ),
    )
    minimum_uid: int = Field(
        1, ge=1, le=2**32 - 2, description=message("lowest user id that may log in; root (0) never may")
    )
    workers: int = Field(10, ge=1, le=100, description=message("logins that are checked at the same time"))


class CheckAccount(Model):
    """An account that verification logs in with, sends one mail to, and removes it again."""

    user: Login = Field(description=message("name of the account that checks log in with"))
    password: Reference = Field(
        description=message("where the account's password is, never the password itself")
    )


class Host(Model):
    """One mail server."""

    # Not a field of the file: it is the key that the host stands under.
    name: str = Field(
        pattern=HOST_NAME,
        description=message("the host's name in this inventory"),
        json_schema_extra={"readOnly": True},
    )
    address: Address = Field(
        description=message("IP address or DNS name for SSH, or an alias of ~/.ssh/config"),
        examples=["192.0.2.25"],
    )
    port: Port = Field(22, description=message("SSH port; without it that of ~/.ssh/config, else 22"))
    user: Login | None = Field(
        None,
        description=message(
            "the account to log in with over SSH; without it that of ~/.ssh/config, else your own name"
        ),
        examples=["kanri"],
    )
    key: LocalPath | None = Field(
        None, description=message("the one SSH key to offer; without it those that ssh would offer")
    )
    sudo: Sudo = Field(Sudo(), description=message("how the user becomes root"))
    jump: Jump | None = Field(
        None,
        description=message(
            "the way to the host: another host of this inventory, or jump hosts as ProxyJump has them; "
            "none: directly. Without it as ~/.ssh/config has it"
        ),
        examples=["ops@gw.example.jp:2222"],
    )
    names: Names = Field(description=message("the names that users connect to"))
    certificate: CertificateValues = Field(description=message("the server's key and certificate"))
    further_certificates: FurtherCertificates = Field(
        FurtherCertificates(),
        description=message("certificates beside that one, each with names, key and files of its own"),
    )
    submission: Submission = Field(
        Submission(), description=message("submission ports and what they ask for")
    )
    port_25: Port25 = Field(Port25(), description=message("what others rely on at port 25"))
    sasl: Sasl = Field(Sasl(), description=message("how accounts are checked"))
    check_account: CheckAccount | None = Field(
        None, description=message("account for login checks; without it none are made")
    )
    clients: Annotated[
        tuple[Literal["windows-live-mail", "thunderbird"], ...], AfterValidator(all_different)
    ] = Field(("windows-live-mail", "thunderbird"), description=message("mail programs that users have"))
    leave_mail_alone: Annotated[tuple[ManagerName, ...], AfterValidator(all_different)] = Field(
        (),
        description=message(
            "configuration managers and panels that are on the host and do not touch its mail configuration"
        ),
        examples=[["puppet"]],
    )
    decisions: Decisions = Field(
        (),
        description=message(
            "what a person decided about settings that were there before, each with its reason"
        ),
    )
    group: str | None = Field(
        None,
        pattern=HOST_NAME,
        description=message(
            "hosts that stand in for each other, as a pair of MX or a pool: never at work together"
        ),
        examples=["mx"],
    )
    family: FamilyName | None = Field(
        None,
        description=message(
            "the family of systems that the host is expected to be of; it is looked at, and refused "
            "where it is another"
        ),
    )
    past_its_end_is_known: bool = Field(
        False,
        description=message(
            "changes are made although the system gets no security fixes any more, as CentOS 7"
        ),
    )
    maintenance: Maintenance | None = Field(
        None,
        description=message("when changes may be made on this host, beside what the site and its group say"),
    )
    production: bool = Field(
        True, description=message("a server that people use: one at a time, stop at the first failure")
    )
    _through: "Host | None" = PrivateAttr(None)
    _purpose: Purpose = PrivateAttr(MAIL)

    @model_validator(mode="after")
    def _decides_about_its_own_names(self) -> Self:
        places = [one.place for one in self.decisions if one.place.file == DNS]
        own = self.every_name
        foreign = next((place for place in places if place.name not in own), None)
        if foreign is not None:
            raise ValueError(
                message(
                    "decides about '{foreign}', which is no name of this host; expected one of {own}",
                    foreign=foreign,
                    own=", ".join(own),
                )
            )
        return self

    @model_validator(mode="after")
    def _certificates_are_apart(self) -> Self:
        mx, own = self.further_certificates.mx, self.certificate
        if mx is None:
            return self
        where = field_of(MX)
        if twice := next((name for name in mx.names if name in self.names.all), None):
            raise ValueError(
                message(
                    "has {twice} both in names and in {where}.names; expected each name in one of them: a "
                    "name says which certificate is meant, to users, in the DNS (TLSA) and in the CA's ledger",
                    twice=twice,
                    where=where,
                )
            )
        if clash := next((name for name in mx.all_files if name in own.all_files), None):
            raise ValueError(
                message(
                    "has the file {clash} both for certificate and for {where}; expected other names in one "
                    "of them, since one would be written over the other",
                    clash=clash,
                    where=where,
                )
            )
        if self.submission.auth_on_25:
            raise ValueError(
                message(
                    "has submission.auth_on_25 beside {where}: users who log in on port 25 would be shown a "
                    "certificate without the name that they type; leave one of them out",
                    where=where,
                )
            )
        return self

    @property
    def purpose(self) -> Purpose:
        """What the certificate is for that this host is seen with; of the inventory's host the first."""
        return self._purpose

    @property
    def by_certificate(self) -> tuple[Self, ...]:
        """This host once for each of its certificates, with the names and the certificate of that one as its own.

        What is about one certificate (its key, who signs it, its files, its ports) is asked of one of these; the first
        is the host itself. Of a host with one certificate it is all there is.
        """
        mx = self.further_certificates.mx
        if mx is None or self._purpose != MAIL:
            return (self,)
        names = Names(smtp=mx.names[0], further=mx.names[1:])
        host = self.model_copy(update={"names": names, "certificate": mx})
        host._purpose = MX
        return (self, host)

    def for_purpose(self, purpose: str) -> Self:
        """The host with the certificate of a purpose as its own.

        Raises: UsageError: it has none for that.
        """
        found = next((one for one in self.by_certificate if one.purpose == purpose), None)
        if found is None:
            has = ", ".join(one.purpose for one in self.by_certificate)
            raise UsageError(
                message(
                    "{host} has no certificate for '{purpose}'; it has {has}",
                    host=self.name,
                    purpose=purpose,
                    has=has,
                ),
                "--purpose",
                message(
                    "give one of them, or write it at the host: {field}",
                    field=f"further_certificates.{purpose}",
                ),
            )
        return found

    @property
    def certificate_ports(self) -> tuple[int, ...]:
        """The ports that show the certificate that this host is seen with."""
        if self._purpose == MX:
            return (25,)
        return self.submission.ports if self.further_certificates.mx else (25, *self.submission.ports)

    @property
    def every_name(self) -> tuple[str, ...]:
        """The names of all its certificates."""
        return tuple(name for one in self.by_certificate for name in one.names.all)

    @property
    def through(self) -> "Host | None":
        """The host of the inventory that `jump` names; None where it names none."""
        return self._through

    def going_through(self, other: "Host") -> Self:
        """This host, reached through another of the inventory."""
        host = self.model_copy()
        host._through = other
        return host

    def decided(self, about: Place) -> Decision | None:
        """What was decided about a place; None where nothing was."""
        return next((decision for decision in self.decisions if decision.place == about.thing), None)
