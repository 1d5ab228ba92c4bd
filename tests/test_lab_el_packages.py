"""The RPMs of the hosts with the layout of Enterprise Linux: names, files, what they set up, what they say they are.

They are installed here in the image that they were built in. Only `alternatives` is a stand-in, which notes what it is
asked for; hosts have one that acts.
"""

import os
import shlex
from collections.abc import Callable, Iterator

import pytest

from lab import el_packages
from lab.podman import needs, podman

_NAMES = [
    *("cyrus-sasl", "cyrus-sasl-lib", "cyrus-sasl-md5", "cyrus-sasl-plain", "ellab-base", "ellab-release"),
    *("postfix", "postfix-lmdb", "postfix-pcre", "sendmail"),
]
_ALTERNATIVES = "#!/bin/sh\nprintf '%s\\n' \"$*\" >>/tmp/alternatives\n"

# Mode, owner, group and path, by package; the paths are those of el-layout hosts and of no Debian.
_FILES = {
    "postfix": """\
-rw-r--r-- root root /etc/pam.d/smtp.postfix
-rw-r--r-- root root /etc/postfix/main.cf
-rw-r--r-- root root /etc/sasl2/smtpd.conf
-rw-r--r-- root root /usr/lib/systemd/system/postfix.service
-rwxr-xr-x root root /usr/lib64/postfix/libpostfix-tls.so
-rwxr-xr-x root root /usr/libexec/postfix/aliasesdb
-rwxr-xr-x root root /usr/libexec/postfix/chroot-update
-rwxr-xr-x root root /usr/libexec/postfix/smtpd
-rwxr-sr-x root postdrop /usr/sbin/postdrop
-rwxr-sr-x root postdrop /usr/sbin/postqueue
-rwxr-xr-x root root /usr/sbin/sendmail.postfix
drwx------ postfix root /var/lib/postfix
drwxr-xr-x root root /var/spool/postfix
drwx------ postfix root /var/spool/postfix/private
drwx-wx--- postfix postdrop /var/spool/postfix/maildrop
drwx--x--- postfix postdrop /var/spool/postfix/public
""",
    "postfix-lmdb": """\
-rw-r--r-- root root /etc/postfix/dynamicmaps.cf.d/lmdb
-rwxr-xr-x root root /usr/lib64/postfix/postfix-lmdb.so
""",
    "cyrus-sasl": """\
-rw-r--r-- root root /etc/sysconfig/saslauthd
-rw-r--r-- root root /usr/lib/systemd/system/saslauthd.service
-rwxr-xr-x root root /usr/sbin/pluginviewer
-rwxr-xr-x root root /usr/sbin/saslauthd
-rwxr-xr-x root root /usr/sbin/testsaslauthd
""",
    "cyrus-sasl-lib": """\
drwxr-xr-x root root /etc/sasl2
lrwxrwxrwx root root /usr/lib64/libsasl2.so.3
drwxr-xr-x root root /usr/lib64/sasl2
-rwxr-xr-x root root /usr/sbin/saslpasswd2
""",
    "cyrus-sasl-plain": """\
lrwxrwxrwx root root /usr/lib64/sasl2/liblogin.so.3
lrwxrwxrwx root root /usr/lib64/sasl2/libplain.so.3
""",
    "sendmail": """\
-rw-r--r-- root root /etc/pam.d/smtp.sendmail
-rw-r--r-- root root /usr/lib/systemd/system/sendmail.service
-rwxr-xr-x root root /usr/sbin/sendmail.sendmail
""",
}

_SETTINGS_OF_BOTH = {
    "inet_interfaces": "localhost",
    "inet_protocols": "all",
    "mydestination": "$myhostname, localhost.$mydomain, localhost",
    "smtp_tls_CAfile": "/etc/pki/tls/certs/ca-bundle.crt",
    "smtp_tls_CApath": "/etc/pki/tls/certs",
    "smtp_tls_security_level": "may",
    "smtpd_tls_cert_file": "/etc/pki/tls/certs/postfix.pem",
    "smtpd_tls_key_file": "/etc/pki/tls/private/postfix.key",
    "smtpd_tls_security_level": "may",
}
_SETTINGS = {
    "el9": {
        **_SETTINGS_OF_BOTH,
        "alias_database": "hash:/etc/aliases",
        "alias_maps": "hash:/etc/aliases",
        "compatibility_level": "2",
    },
    "el10": {
        **_SETTINGS_OF_BOTH,
        "alias_database": "lmdb:/etc/aliases",
        "alias_maps": "lmdb:/etc/aliases",
        "compatibility_level": "3.6",
    },
}
_PORT_465 = {"el9": "smtps", "el10": "submissions"}
_MAP_TYPES = {"el9": {"hash", "btree"}, "el10": {"lmdb"}}

pytestmark = pytest.mark.lab  # images and containers, though no host

Inside = Callable[[str], str]


@pytest.fixture(scope="module", params=el_packages.KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of host in turn."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def inside(kind: str) -> Iterator[Inside]:
    """Run a script where Postfix, SASL and the release were installed with `rpm`, and get what it printed."""
    tag = el_packages.repository(kind, lambda _: None)
    name = f"runbook-test-el-packages-{kind}-{os.getpid()}"

    def run(script: str) -> str:
        return podman("exec", "-i", name, "/bin/sh", "-eu", stdin=script.encode()).stdout.decode()

    podman(
        "run", "-d", "--name", name, "--hostname", "ms9.example.test", *needs().run_options, tag,
        "sleep", "600",
    )  # fmt: skip
    try:
        run(
            f"printf %s {shlex.quote(_ALTERNATIVES)} >/usr/sbin/alternatives; chmod 755 /usr/sbin/alternatives"
        )
        run(
            "mkdir -p /etc/pki/tls/certs /etc/pki/tls/private\n"
            "rpm -e --nodeps cyrus-sasl-devel cyrus-sasl-lib 2>/dev/null\n"
            # Files of ours and of Debian's meet here: os-release.
            "cd /repository && rpm -i --force ellab-*.rpm cyrus-sasl*.rpm postfix-*.rpm 2>/dev/null"
        )
        yield run
    finally:
        podman("rm", "-f", "-i", "-t", "0", name)


def test_the_repository_offers_these_packages_at_the_version_of_debian(inside: Inside) -> None:
    """Its index names each RPM, and the versions are those of the source packages that were fetched."""
    offered = inside("zcat /repository/repodata/*primary.xml.gz | sed -n 's/.*<name>\\(.*\\)<.name>.*/\\1/p'")
    assert sorted(offered.split()) == _NAMES
    assert inside("rpm -q --qf '%{epoch}:%{version}' postfix") == "2:" + inside(
        "ls /sources/postfix_*.orig.tar.gz | sed 's/.*_//; s/[.]orig.*//' | tr -d '\\n'"
    )
    assert inside("rpm -q --qf '%{version}' cyrus-sasl") == inside(
        "ls /sources/cyrus-sasl2_*.orig.tar.?z | sed 's/.*_//; s/[+.][a-z].*//' | tr -d '\\n'"
    )


def test_every_package_says_that_it_is_not_the_true_one(kind: str, inside: Inside) -> None:
    told = inside("for rpm in /repository/*.rpm; do rpm -qp --qf '%{name}|%{description}\\n@' $rpm; done")
    descriptions = dict(entry.split("|", 1) for entry in told.split("@") if entry)
    assert sorted(descriptions) == _NAMES
    for name in ("cyrus-sasl", "cyrus-sasl-lib", "cyrus-sasl-plain", "postfix", "postfix-lmdb"):
        assert "in Debian's source package, for a lab host with the layout" in descriptions[name]
        assert "Not a package of CentOS." in descriptions[name]
    assert descriptions["sendmail"].startswith("Not sendmail:")
    title = f"Lab host with the layout of Enterprise Linux {kind.removeprefix('el')}, not CentOS"
    assert inside("cat /etc/redhat-release").strip() == title
    release = dict(line.split("=", 1) for line in inside("cat /etc/os-release").splitlines())
    assert release["PRETTY_NAME"] == f'"{title}"'
    assert release["ID"] == '"ellab"'
    assert release["ID_LIKE"] == '"rhel centos fedora"'
    assert release["PLATFORM_ID"] == f'"platform:{kind}"'
    assert release["VARIANT_ID"] == '"el-layout-lab"'


@pytest.mark.parametrize("package", _FILES)
def test_files_are_where_enterprise_linux_has_them(inside: Inside, package: str) -> None:
    form = "[%{filemodes:perms} %{fileusername} %{filegroupname} %{filenames}\\n]"
    held = inside(f"rpm -qp --qf {shlex.quote(form)} /repository/{package}-[0-9]*.rpm").splitlines()
    assert set(_FILES[package].splitlines()) <= set(held)


def test_what_was_installed_is_what_the_packages_hold(inside: Inside) -> None:
    """Scriptlets leave files, modes and owners as packed; users and groups have Enterprise Linux's numbers."""
    assert (
        inside("rpm -V cyrus-sasl cyrus-sasl-lib cyrus-sasl-plain postfix postfix-lmdb postfix-pcre || :")
        == ""
    )
    assert inside("id -u postfix; id -g postfix; getent group postdrop | cut -d: -f3").split() == [
        "89",
        "89",
        "90",
    ]
    assert "mail" in inside("id -nG postfix").split()


def test_stock_settings_and_services(kind: str, inside: Inside) -> None:
    settings = dict(line.split(" = ", 1) for line in inside("postconf -n").splitlines())
    assert _SETTINGS[kind].items() <= settings.items()
    services = [line.split() for line in inside("postconf -M").splitlines()]
    assert [service[:2] for service in services if service[1] == "inet"] == [["smtp", "inet"]]
    assert {service[4] for service in services} == {"n"}  # nothing in a chroot, and it is written out
    commented = inside("sed -n 's/^#\\([a-z]*\\) *inet.* smtpd$/\\1/p' /etc/postfix/master.cf").split()
    assert commented == ["submission", _PORT_465[kind]]
    assert inside("postfix check 2>&1") == ""


def test_maps_are_those_of_the_kind(kind: str, inside: Inside) -> None:
    """On el10 nothing writes `hash:`; what both kinds can have comes by a package of its own."""
    known = set(inside("postconf -m").split())
    assert known & {"hash", "btree", "lmdb", "pcre"} == _MAP_TYPES[kind] | {"lmdb", "pcre"}
    default = inside("postconf -h default_database_type").strip()
    assert default in _MAP_TYPES[kind]
    assert (
        inside(f"cd /tmp; echo key value >map; postmap {default}:map; postmap -q key {default}:map")
        == "value\n"
    )
    needed = inside("rpm -qp --requires /repository/postfix-[0-9]*.rpm")
    assert ("postfix-lmdb" in needed) == (kind == "el10")


def test_sasl_finds_its_plugins_and_asks_saslauthd_by_pam(inside: Inside) -> None:
    assert inside("cat /etc/sasl2/smtpd.conf") == "pwcheck_method: saslauthd\nmech_list: plain login\n"
    assert {"SOCKETDIR=/run/saslauthd", "MECH=pam", "FLAGS="} <= set(
        inside("cat /etc/sysconfig/saslauthd").splitlines()
    )
    assert "cyrus" in inside("postconf -a").split()
    plugins = inside("pluginviewer -s 2>&1")
    assert 'Plugin "login"' in plugins
    assert 'Plugin "plain"' in plugins
    assert inside("grep -v '^#' /etc/pam.d/smtp.postfix | tr -s ' '").splitlines() == [
        "auth include password-auth",
        "account include password-auth",
    ]


def test_programs_find_their_libraries_and_addresses_may_be_japanese(inside: Inside) -> None:
    linked = inside("ldd /usr/libexec/postfix/smtpd /usr/lib64/postfix/* /usr/sbin/saslauthd")
    assert "not found" not in linked
    assert "libsasl2.so.3 => /usr/lib64/libsasl2.so.3" in linked
    assert "libicuuc" in linked


def test_the_package_makes_a_pair_that_nobody_trusts_once(inside: Inside) -> None:
    """Self-signed for the host's name, RSA 4096, 365 days, no SAN; and no package owns it."""
    shown = inside("openssl x509 -in /etc/pki/tls/certs/postfix.pem -noout -text")
    assert "CN = ms9.example.test," in shown
    assert "Public-Key: (4096 bit)" in shown
    assert "DNS:" not in shown
    inside("openssl verify -CAfile /etc/pki/tls/certs/postfix.pem /etc/pki/tls/certs/postfix.pem")
    days = 'date -d "$(openssl x509 -in /etc/pki/tls/certs/postfix.pem -noout -{} | cut -d= -f2)" +%s'
    seconds = int(inside(days.format("enddate"))) - int(inside(days.format("startdate")))
    assert seconds == 365 * 86400
    modes = "stat -c %a:%U /etc/pki/tls/certs/postfix.pem /etc/pki/tls/private/postfix.key"
    assert inside(modes).split() == ["644:root", "600:root"]
    pair = "sha256sum /etc/pki/tls/certs/postfix.pem /etc/pki/tls/private/postfix.key"
    before = inside(pair)
    inside("rpm -i --force --nodeps /repository/postfix-[0-9]*.rpm 2>/dev/null")
    assert inside(pair) == before
    assert "postfix.pem" not in inside("rpm -ql postfix")


def test_both_mail_servers_take_the_alternative_with_the_pam_file(inside: Inside) -> None:
    """The stand-in for sendmail has the higher priority, denies every login, and takes no mail."""
    inside("rpm -i --force /repository/sendmail-*.rpm 2>/dev/null")
    postfix, sendmail = inside("grep -e '--install' /tmp/alternatives | awk '!seen[$0]++'").splitlines()
    assert postfix.startswith("--install /usr/sbin/sendmail mta /usr/sbin/sendmail.postfix 60 ")
    assert postfix.endswith(" --initscript postfix")
    assert sendmail.startswith("--install /usr/sbin/sendmail mta /usr/sbin/sendmail.sendmail 90 ")
    for name, line in (("postfix", postfix), ("sendmail", sendmail)):
        for link, follower in (
            ("/usr/bin/mailq", "mta-mailq"),
            ("/usr/bin/newaliases", "mta-newaliases"),
            ("/usr/bin/rmail", "mta-rmail"),
            ("/usr/lib/sendmail", "mta-sendmail"),
            ("/etc/pam.d/smtp", "mta-pam"),
        ):
            assert f" --slave {link} {follower} {link}.{name} " in line
        targets = [word for word in line.split() if word.endswith((f".{name}", f".{name}.1.gz"))]
        inside(f"ls {' '.join(targets)}")
    owners = inside("rpm -qf --qf '%{name}\\n' /etc/pam.d/smtp || :").split()
    assert owners == ["postfix", "sendmail"]
    assert inside("grep -v '^#' /etc/pam.d/smtp.sendmail | awk '{print $3}' | sort -u").split() == [
        "pam_deny.so"
    ]
    assert inside("/usr/sbin/sendmail.sendmail tarou </dev/null 2>/dev/null || echo $?") == "69\n"


def test_the_aliases_are_made_before_each_start(kind: str, inside: Inside) -> None:
    made = {"el9": "/etc/aliases.db", "el10": "/etc/aliases.lmdb"}[kind]
    inside(
        "ln -sf /usr/sbin/sendmail.postfix /usr/bin/newaliases\n"
        f"echo 'postmaster: root' >/etc/aliases; rm -f {made}; /usr/libexec/postfix/aliasesdb"
    )
    map_type = _SETTINGS[kind]["alias_maps"]
    assert inside(f"postalias -q postmaster {map_type}") == "root\n"
    inside(
        "echo 'postmaster: kanri' >/etc/aliases; touch -d '+1 minute' /etc/aliases; /usr/libexec/postfix/aliasesdb"
    )
    assert inside(f"postalias -q postmaster {map_type}") == "kanri\n"
