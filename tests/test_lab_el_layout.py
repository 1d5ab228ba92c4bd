"""A host with the layout of Enterprise Linux answers as one of that family does: paths, names, defaults.

Each row is what the packages of that family have; rows that the stand-in cannot have are not here.
"""

import shlex
import socket
from collections.abc import Iterable

import pytest

from lab import Lab, LabHost
from lab.releases import RELEASES

EL = [name for name, release in RELEASES.items() if release.recipe.stands_in]

# What a person who comes to the host may type, and what it answers. {n} is the release's number.
BARE = {
    # Whose layout it is, said by the host itself.
    ". /etc/os-release; echo $ID/$ID_LIKE/$VERSION_ID/$PLATFORM_ID": "ellab/rhel centos fedora/{n}/platform:el{n}",
    "grep -ci 'not centos' /etc/redhat-release": "1",
    "test -e /etc/debian_version || echo none": "none",
    # Package managers.
    "command -v apt-get dpkg dpkg-query apt debconf-show update-ca-certificates || echo none": "none",
    "command -v dnf yum rpm": "/usr/bin/dnf\n/usr/bin/yum\n/usr/bin/rpm",
    "dnf -q repoquery --qf '%{name}' postfix cyrus-sasl cyrus-sasl-plain": "cyrus-sasl\ncyrus-sasl-plain\npostfix",
    "yum -q repoquery --qf '%{name}' postfix": "postfix",
    "rpm -q --qf '%{version}' --whatprovides system-release": "{n}",
    "HOME=/tmp rpm -q postfix": "package postfix is not installed",
    "grep -h gpgcheck /etc/yum.repos.d/ellab.repo": "gpgcheck=0",
    # Units: what is installed does not start by itself.
    "systemctl is-enabled sshd firewalld rsyslog": "enabled\nenabled\nenabled",
    "systemctl is-active sshd firewalld rsyslog": "active\nactive\nactive",
    "systemctl cat ssh.service >/dev/null 2>&1 || echo none": "none",
    "systemctl list-unit-files --no-legend 'apt-*' 'dpkg-*' 'dnf-*'": "",
    "systemctl is-system-running": "running",
    # Users.
    "id -Gn kanri": "kanri wheel",
    "getent group sudo || echo none": "none",
    "grep -c '^%wheel' /etc/sudoers": "1",
    "readlink -f /bin/sh": "/usr/bin/bash",
    # PAM: a service without a file is refused.
    "grep -v '^#' /etc/pam.d/other | tr -s ' ' | cut -d ' ' -f 3 | sort -u": "pam_deny.so",
    "grep -rl common- /etc/pam.d || echo none": "none",
    "ls -ld /etc/shadow | cut -c 1-10": "----------",
    # Trust and TLS.
    "readlink -f /etc/ssl/certs": "/etc/pki/tls/certs",
    "readlink -f /etc/pki/tls/cert.pem": "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "readlink -f /etc/pki/tls/certs/ca-bundle.crt": "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "command -v openssl": "/usr/bin/openssl",
    "readlink -f $(openssl version -d | cut -d '\"' -f 2)/openssl.cnf": "/etc/pki/tls/openssl.cnf",
    "cat /etc/crypto-policies/config; update-crypto-policies --show": "DEFAULT\nDEFAULT",
    "grep ^TLS.MinProtocol /etc/crypto-policies/back-ends/opensslcnf.config": "TLS.MinProtocol = TLSv1.2",
    # SELinux is told, and not here.
    "getenforce; restorecon -v /etc/passwd && echo restored": "Disabled\nrestored",
    # Alternatives and libraries.
    "command -v alternatives": "/usr/sbin/alternatives",
    "alternatives --list": "",
    "ldconfig -v 2>/dev/null | grep -c '^/usr/lib64'": "1",
    "readlink -f /var/mail": "/var/spool/mail",
    "test -d /etc/sysconfig && echo there": "there",
}


# On a host where somebody has installed Postfix and Cyrus SASL, and changed nothing.
INSTALLED = {
    # Paths and the stock configuration.
    "postconf -h daemon_directory shlib_directory": "/usr/libexec/postfix\n/usr/lib64/postfix",
    "postconf -h sendmail_path data_directory": "/usr/sbin/sendmail.postfix\n/var/lib/postfix",
    "postconf -h inet_interfaces inet_protocols": "localhost\nall",
    "postconf -h mydestination": "$myhostname, localhost.$mydomain, localhost",
    "postconf -h smtpd_tls_cert_file": "/etc/pki/tls/certs/postfix.pem",
    "postconf -h smtpd_tls_key_file": "/etc/pki/tls/private/postfix.key",
    "postconf -h smtpd_tls_security_level smtp_tls_security_level": "may\nmay",
    "postconf -h smtp_tls_CApath smtp_tls_CAfile": "/etc/pki/tls/certs\n/etc/pki/tls/certs/ca-bundle.crt",
    "postconf -F '*/*/chroot' | grep -vc '= n$'": "0",
    "postfix check 2>&1": "",
    # The package's own pair.
    "openssl x509 -in /etc/pki/tls/certs/postfix.pem -noout -subject | grep -o 'CN = [^,]*'": "CN = ms{n}.example.test",
    "stat -c '%a %U' /etc/pki/tls/private/postfix.key": "600 root",
    # SASL.
    "cat /etc/sasl2/smtpd.conf": "pwcheck_method: saslauthd\nmech_list: plain login",
    "grep -E '^(SOCKETDIR|MECH|FLAGS)=' /etc/sysconfig/saslauthd": "SOCKETDIR=/run/saslauthd\nMECH=pam\nFLAGS=",
    # Units wait for an administrator.
    "systemctl is-enabled postfix saslauthd": "disabled\ndisabled",
    "systemctl is-active postfix saslauthd": "inactive\ninactive",
    # The alternative, and with it PAM's file.
    "readlink -f /usr/sbin/sendmail": "/usr/sbin/sendmail.postfix",
    "readlink /etc/pam.d/smtp": "/etc/alternatives/mta-pam",
    "readlink -f /etc/pam.d/smtp": "/etc/pam.d/smtp.postfix",
    "grep -v '^#' /etc/pam.d/smtp | tr -s ' \\t' ' '": "auth include password-auth\naccount include password-auth",
    "alternatives --list": "mta\tauto\t/usr/sbin/sendmail.postfix",
}
OF_KIND = {
    "el9": {
        "postconf -h default_database_type alias_maps": "hash\nhash:/etc/aliases",
        "postconf -m | grep -cx hash": "1",
        "rpm -q postfix-lmdb": "package postfix-lmdb is not installed",
    },
    "el10": {
        "postconf -h default_database_type alias_maps": "lmdb\nlmdb:/etc/aliases",
        "postconf -m | grep -cx hash": "0",
        "rpm -q --qf '%{name}' postfix-lmdb": "postfix-lmdb",
    },
}


def answers(lab: Lab, host: str, commands: Iterable[str]) -> dict[str, str]:
    """What a root's shell shows there for each command, in one round trip."""
    script = "".join(f"sh -c {shlex.quote(command)} || true; printf '\\0'\n" for command in commands)
    shown = lab.exec(host, script).decode().split("\0")
    return {command: each.strip() for command, each in zip(commands, shown, strict=False)}


@pytest.fixture(scope="module", params=EL)
def bare(lab: Lab, request: pytest.FixtureRequest) -> dict[str, str]:
    """The answers of each."""
    name: str = request.param
    lab.reset(name, "bare")
    return {"n": str(RELEASES[name].number), **answers(lab, name, BARE)}


@pytest.fixture(scope="module", params=EL)
def installed(lab: Lab, request: pytest.FixtureRequest) -> dict[str, str]:
    """The answers of each, after what a chapter installs."""
    name: str = request.param
    lab.reset(name, "bare")
    lab.exec(name, "dnf -q -y install postfix cyrus-sasl cyrus-sasl-plain", timeout_s=120)
    return {"n": str(RELEASES[name].number), **answers(lab, name, INSTALLED | OF_KIND[name])}


@pytest.fixture(params=EL)
def el_host(request: pytest.FixtureRequest) -> str:
    """Each in turn; reset it to the state that the test wants."""
    name: str = request.param
    return name


def answer(lab: Lab, host: str, command: str) -> str:
    """What a root's shell shows there."""
    return lab.exec(host, command).decode().strip()


@pytest.mark.parametrize("command", BARE)
def test_a_bare_host_answers_as_the_family_does(bare: dict[str, str], command: str) -> None:
    assert bare[command] == BARE[command].replace("{n}", bare["n"])


@pytest.mark.parametrize("command", INSTALLED)
def test_postfix_is_laid_out_as_the_family_does(installed: dict[str, str], command: str) -> None:
    assert installed[command] == INSTALLED[command].replace("{n}", installed["n"])


def test_the_map_types_are_those_of_the_release(installed: dict[str, str]) -> None:
    expected = OF_KIND[f"el{installed['n']}"]
    assert {command: installed[command] for command in expected} == expected


def connects(host: LabHost, port: int) -> bool:
    """Whether somebody outside reaches a port."""
    with socket.socket() as client:
        client.settimeout(5)
        return client.connect_ex((host.address, port)) == 0


def test_fresh_has_postfix_running_for_the_host_itself(lab: Lab, el_host: str) -> None:
    host = lab.reset(el_host, "fresh")
    assert (
        answer(lab, el_host, "systemctl is-enabled postfix; systemctl is-active postfix") == "enabled\nactive"
    )
    assert answer(lab, el_host, "exec 3<>/dev/tcp/localhost/25; head -n 1 <&3").startswith(
        f"220 {host.release.hostname} ESMTP"
    )
    assert not connects(host, 25)


def test_the_firewall_shuts_a_port_until_its_service_is_added(lab: Lab, el_host: str) -> None:
    """Real firewalld on nftables; the permanent configuration outlives a reboot, the other does not."""
    host = lab.reset(el_host, "fresh")
    lab.exec(el_host, "postconf -e inet_interfaces=all; systemctl restart postfix")
    assert connects(host, 22)
    assert not connects(host, 25)
    lab.exec(el_host, "firewall-cmd --add-service=smtp")
    assert connects(host, 25)
    lab.reboot(el_host)
    assert not connects(host, 25)
    lab.exec(el_host, "firewall-cmd --permanent --add-service=smtp; firewall-cmd --reload")
    lab.reboot(el_host)
    assert connects(host, 25)
    assert answer(lab, el_host, "nft list tables").count("firewalld") == 1
    assert "INVALID_SERVICE" in answer(lab, el_host, "firewall-cmd --add-service=submissions 2>&1 || true")
    lab.reset(el_host, "fresh")
    assert (
        answer(lab, el_host, "firewall-cmd --state; firewall-cmd --list-services")
        == "running\ndhcpv6-client ssh"
    )


def test_logs_are_where_the_family_has_them(lab: Lab, el_host: str) -> None:
    lab.reset(el_host, "fresh")
    lab.exec(
        el_host, "logger -p mail.info of-mail; logger -p authpriv.info of-a-login; logger -p user.info of-all"
    )
    lab.exec(el_host, "timeout 5 sh -c 'until grep -q of-all /var/log/messages; do sleep 0.05; done'")
    assert answer(lab, el_host, "grep -lsd skip of-mail /var/log/*") == "/var/log/maillog"
    assert answer(lab, el_host, "grep -lsd skip of-a-login /var/log/*") == "/var/log/secure"
    assert answer(lab, el_host, "stat -c %a /var/log/maillog /var/log/secure") == "600\n600"
    assert (
        answer(lab, el_host, "ls /var/log/mail.log /var/log/auth.log /var/log/syslog 2>/dev/null || true")
        == ""
    )


def test_an_anchor_is_trusted_after_update_ca_trust(lab: Lab, el_host: str) -> None:
    lab.reset(el_host)
    lab.exec(
        el_host,
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout /root/key -subj '/CN=Lab anchor' -out /root/anchor.pem"
        " -addext basicConstraints=critical,CA:TRUE 2>/dev/null",
    )
    verify = "openssl verify /root/anchor.pem 2>&1 | tail -n 1"
    assert answer(lab, el_host, verify) != "/root/anchor.pem: OK"
    lab.exec(el_host, "cp /root/anchor.pem /etc/pki/ca-trust/source/anchors/; update-ca-trust")
    assert answer(lab, el_host, verify) == "/root/anchor.pem: OK"
    lab.exec(el_host, "rm /etc/pki/ca-trust/source/anchors/anchor.pem; update-ca-trust extract")
    assert answer(lab, el_host, verify) != "/root/anchor.pem: OK"


def test_the_crypto_policy_reaches_openssl(lab: Lab, el_host: str) -> None:
    """Its floor is TLS 1.2 for a server that takes OpenSSL's defaults; without it the same server goes lower."""
    lab.reset(el_host)
    listens = "timeout 5 sh -c 'until ss -Htln sport = :4433 | grep -q .; do sleep 0.05; done'"
    lab.exec(
        el_host,
        "cd /root; openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -subj /CN=lab 2>/dev/null;"
        "systemd-run -q --unit=tls openssl s_server -www -accept 4433 -key /root/key -cert /root/cert"
        f" -cipher DEFAULT@SECLEVEL=0; {listens}",
    )
    shaken = (
        "for version in -tls1_1 -tls1_2 -tls1_3; do openssl s_client -connect localhost:4433 $version"
        " -cipher DEFAULT@SECLEVEL=0 </dev/null 2>/dev/null | grep -c 'Cipher is [^(]' || true; done"
    )
    assert answer(lab, el_host, shaken).split() == ["0", "1", "1"]
    policy = "/etc/crypto-policies/back-ends/opensslcnf.config"
    lab.exec(
        el_host, f"sed -i 's/^TLS.MinProtocol.*/TLS.MinProtocol = TLSv1.1/' {policy}; systemctl stop tls"
    )
    lab.exec(
        el_host,
        "systemd-run -q --unit=tls openssl s_server -www -accept 4433 -key /root/key -cert /root/cert"
        f" -cipher DEFAULT@SECLEVEL=0; {listens}",
    )
    assert answer(lab, el_host, shaken).split() == ["1", "1", "1"]
