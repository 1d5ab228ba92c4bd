"""Debian 12 and 13, as data. Each row was seen on a host of that release."""

from pathlib import PurePosixPath
from types import MappingProxyType

from runbook_lib.families.family import Family, Release
from runbook_lib.families.package_managers import APT
from runbook_lib.messages import message

_SOCKET_DIRECTORY = "/var/spool/postfix/var/run/saslauthd"

_SNAKEOIL_CERTIFICATE = "/etc/ssl/certs/ssl-cert-snakeoil.pem"
_SNAKEOIL_KEY = "/etc/ssl/private/ssl-cert-snakeoil.key"

_OPTIONS = (
    "OPTIONS",
    f'OPTIONS="{{whole_name}}-m {_SOCKET_DIRECTORY}"',
    message(
        "the socket lies where smtpd's chroot sees it; without -c a changed or locked password counts at once"
    ),
)
_THREADS = (
    "THREADS",
    "THREADS={workers}",
    message("so many logins are checked at the same time; a wrong password holds one 2 s"),
)
_LEFT = MappingProxyType({"OPTIONS": 'OPTIONS="-c -m /var/run/saslauthd"', "THREADS": "THREADS=5"})

# What scripts of Postfix, sasl2-bin and ssl-cert make or clear away (their postinst and postrm), and their settings.
_SCRIPT_PATHS = (
    "/etc/aliases",
    "/etc/aliases.db",
    "/etc/aliases.lmdb",
    "/etc/mailname",
    "/etc/sasldb2",
    "/etc/default/saslauthd",
    "/etc/default/saslauthd.dpkg-dist",
    "/etc/init.d/postfix",
    "/etc/init.d/saslauthd",
    "/etc/insserv.conf.d/postfix",
    "/etc/network/if-down.d/postfix",
    "/etc/network/if-up.d/postfix",
    "/etc/ppp/ip-down.d/postfix",
    "/etc/ppp/ip-up.d/postfix",
    "/etc/resolvconf/update-libc.d/postfix",
    "/etc/rsyslog.d/postfix.conf",
    "/etc/ufw/applications.d/postfix",
    _SNAKEOIL_CERTIFICATE,
    _SNAKEOIL_KEY,
    "/etc/postfix",
    "/etc/postfix/dynamicmaps.cf",
    "/etc/postfix/main.cf",
    "/etc/postfix/main.cf.proto",
    "/etc/postfix/makedefs.out",
    "/etc/postfix/master.cf",
    "/etc/postfix/master.cf.proto",
    "/etc/postfix/post-install",
    "/etc/postfix/postfix-files",
    "/etc/postfix/postfix-script",
)

DEBIAN = Family(
    name="Debian",
    os_release_ids=frozenset({"debian"}),
    os_release_likes=frozenset(),
    postfix_chapter="20-postfix-debian",
    package_managers=(APT,),
    packages=("postfix", "sasl2-bin", "libsasl2-modules"),
    questions=(
        "postfix postfix/main_mailer_type select Internet Site",
        "postfix postfix/mailname string {mailname}",
    ),
    postfix_starts=True,
    script_paths=tuple(map(PurePosixPath, _SCRIPT_PATHS)),
    # saslauthd makes them for its socket in Postfix's chroot.
    folders_left=tuple(
        map(
            PurePosixPath,
            (_SOCKET_DIRECTORY, "/var/spool/postfix/var/run", "/var/spool/postfix/var"),
        )
    ),
    purged=MappingProxyType(
        {
            "sasl2-bin": (PurePosixPath("/etc/sasldb2"),),
            "ssl-cert": (PurePosixPath(_SNAKEOIL_CERTIFICATE), PurePosixPath(_SNAKEOIL_KEY)),
        }
    ),
    openssl_package="openssl",
    key_directory=PurePosixPath("/etc/ssl/private"),
    certificate_directory=PurePosixPath("/etc/ssl/certs"),
    mailname=PurePosixPath("/etc/mailname"),
    smtpd_sasl_conf=PurePosixPath("/etc/postfix/sasl/smtpd.conf"),
    smtpd_sasl_text="pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n",
    sasldb=PurePosixPath("/etc/sasldb2"),
    pam_service=PurePosixPath("/etc/pam.d/smtp"),
    pam_text=(
        "auth required pam_succeed_if.so quiet uid >= {minimum_uid}\n"
        "@include common-auth\n"
        "@include common-account\n"
    ),
    files_left=MappingProxyType({}),
    master_cf_left=PurePosixPath("/usr/share/postfix/master.cf.dist"),
    chroot="y",  # smtpd runs in a chroot here (master.cf, fifth column), so the socket must be inside it
    saslauthd_defaults=PurePosixPath("/etc/default/saslauthd"),
    saslauthd_socket_directory=PurePosixPath(_SOCKET_DIRECTORY),
    saslauthd_group="sasl",
    saslauthd_drop_in=PurePosixPath("/etc/systemd/system/saslauthd.service.d/postfix-chroot.conf"),
    mta_program=None,
    firewall_services=MappingProxyType({}),
    releases=MappingProxyType(
        {
            "12": Release(
                version_id="12",
                postfix="3.7",
                main_cf=MappingProxyType(
                    {
                        "smtpd_tls_cert_file": (_SNAKEOIL_CERTIFICATE,),
                        "smtpd_tls_key_file": (_SNAKEOIL_KEY,),
                        "smtpd_tls_security_level": ("may",),
                    }
                ),
                saslauthd_variables=(
                    ("START", "START=yes", message("the init script starts nothing without it")),
                    _OPTIONS,
                    _THREADS,
                ),
                saslauthd_left=_LEFT,
                saslauthd_drop_in=(),
            ),
            "13": Release(
                version_id="13",
                postfix="3.10",
                # ssl-cert is only recommended here: where it came first, Postfix takes its pair as on 12.
                main_cf=MappingProxyType(
                    {
                        "smtpd_tls_cert_file": (None, _SNAKEOIL_CERTIFICATE),
                        "smtpd_tls_key_file": (None, _SNAKEOIL_KEY),
                        "smtpd_tls_security_level": (None, "may"),
                        "cyrus_sasl_config_path": ("/etc/postfix/sasl",),
                        "mynetworks_style": ("host", None),
                    }
                ),
                saslauthd_variables=(_OPTIONS, _THREADS),
                saslauthd_left=_LEFT,
                saslauthd_drop_in=(
                    "[Service]",
                    "# -m moves the pid file too; with the packaged path systemd waits for it in vain.",
                    "PIDFile=",
                    f"PIDFile={_SOCKET_DIRECTORY}/saslauthd.pid",
                    "# Nobody else makes the directory inside the chroot; group sasl alone may open the socket.",
                    f"ExecStartPre=+/usr/bin/install -d -o root -g sasl -m 0710 {_SOCKET_DIRECTORY}",
                ),
            ),
        }
    ),
)
