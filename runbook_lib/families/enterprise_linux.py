"""CentOS and its family (RHEL, Rocky, Alma, Oracle), 7 to 10, as data.

Values of 7, 8 and 9 are those of the distributions' source packages. What could be tried was tried on hosts with this
layout: Postfix's and Cyrus SASL's own packages could not be had.
"""

from pathlib import PurePosixPath
from types import MappingProxyType

from runbook_lib.families.family import Family, Release
from runbook_lib.families.package_managers import DNF, YUM
from runbook_lib.messages import message

_SASL_CONF = PurePosixPath("/etc/sasl2/smtpd.conf")
_SASL_TEXT = "pwcheck_method: saslauthd\nmech_list: plain login\n"
_PAM = PurePosixPath("/etc/pam.d/smtp.postfix")
_PAM_LEFT = "#%PAM-1.0\nauth       include      password-auth\naccount    include      password-auth\n"
_PAM_TEXT = _PAM_LEFT.replace(
    "auth", "auth       required     pam_succeed_if.so quiet uid >= {minimum_uid}\nauth", 1
)

_VARIABLES = (
    ("SOCKETDIR", "SOCKETDIR=/run/saslauthd", message("smtpd looks for the socket there")),
    ("MECH", "MECH=pam", message("PAM's service smtp checks the password")),
    (
        "FLAGS",
        'FLAGS="{whole_name}-n {workers}"',
        message("so many logins are checked at the same time; a wrong password holds one 2 s"),
    ),
)
_LEFT = MappingProxyType({"SOCKETDIR": "SOCKETDIR=/run/saslauthd", "MECH": "MECH=pam", "FLAGS": "FLAGS="})

# What scripts of Postfix and cyrus-sasl make, and their settings.
_SCRIPT_PATHS = (
    "/etc/aliases.db",
    "/etc/aliases.lmdb",
    "/etc/pam.d/smtp.postfix",
    "/etc/pki/tls/certs/postfix.pem",
    "/etc/pki/tls/private/postfix.key",
    "/etc/sasl2/smtpd.conf",
    "/etc/sysconfig/saslauthd",
    "/etc/postfix",
)
# rpm leaves them where something was in them or another package had a part of them.
_FOLDERS_LEFT = (
    "/etc/postfix/dynamicmaps.cf.d",
    "/etc/postfix/postfix-files.d",
    "/etc/postfix",
    "/etc/sasl2",
    "/var/lib/postfix",
)

_LISTENS = ("localhost",)
_TLS = {  # since 8 the package makes a self-signed pair, and offers TLS with it
    "smtpd_tls_cert_file": ("/etc/pki/tls/certs/postfix.pem",),
    "smtpd_tls_key_file": ("/etc/pki/tls/private/postfix.key",),
    "smtpd_tls_security_level": ("may",),
}


def _release(number: str, postfix: str, ended: dict[str, str], priority: int = 60) -> Release:
    main_cf: dict[str, tuple[str | None, ...]] = {"inet_interfaces": _LISTENS}
    if number != "7":
        main_cf |= _TLS
    return Release(
        version_id=number,
        postfix=postfix,
        main_cf=MappingProxyType(main_cf),
        saslauthd_variables=_VARIABLES,
        saslauthd_left=_LEFT,
        saslauthd_drop_in=(),
        mta_priority=priority,
        ended=MappingProxyType(ended),
    )


ENTERPRISE_LINUX = Family(
    name="Enterprise Linux",
    os_release_ids=frozenset({"centos", "rhel", "rocky", "almalinux", "ol", "eurolinux"}),
    os_release_likes=frozenset({"rhel"}),
    postfix_chapter="21-postfix-centos",
    package_managers=(DNF, YUM),
    packages=("postfix", "cyrus-sasl", "cyrus-sasl-plain"),
    questions=(),
    postfix_starts=False,  # the presets of the distribution leave it disabled
    script_paths=tuple(map(PurePosixPath, _SCRIPT_PATHS)),
    folders_left=tuple(map(PurePosixPath, _FOLDERS_LEFT)),
    purged=MappingProxyType({}),  # dnf knows no such thing
    openssl_package="openssl",
    key_directory=PurePosixPath("/etc/pki/tls/private"),
    certificate_directory=PurePosixPath("/etc/pki/tls/certs"),
    mailname=None,
    smtpd_sasl_conf=_SASL_CONF,
    smtpd_sasl_text=_SASL_TEXT,
    sasldb=PurePosixPath("/etc/sasl2/sasldb2"),
    pam_service=_PAM,  # /etc/pam.d/smtp leads to it while Postfix is the system's mail server
    pam_text=_PAM_TEXT,
    files_left=MappingProxyType({_SASL_CONF: _SASL_TEXT, _PAM: _PAM_LEFT}),
    master_cf_left=PurePosixPath("/etc/postfix/master.cf.proto"),
    chroot="n",
    saslauthd_defaults=PurePosixPath("/etc/sysconfig/saslauthd"),
    saslauthd_socket_directory=PurePosixPath("/run/saslauthd"),
    saslauthd_group="",
    saslauthd_drop_in=PurePosixPath("/etc/systemd/system/saslauthd.service.d/runbook.conf"),
    mta_program=PurePosixPath("/usr/sbin/sendmail.postfix"),
    firewall_services=MappingProxyType({25: "smtp", 465: "smtps", 587: "smtp-submission"}),
    releases=MappingProxyType(
        {
            "7": _release("7", "2.10", {"": "2024-06-30"}, priority=30),
            "8": _release("8", "3.5", {"centos": "2024-05-31"}),
            "9": _release("9", "3.5", {}),
            "10": _release("10", "3.8", {}),
        }
    ),
)
