"""A host with the layout of Enterprise Linux answers as one of that family does: paths, names, defaults.

Each row is what the packages of CentOS Stream 9 and 10 have; what the stand-in cannot have is in lab/el_layout.
"""

import pytest

from lab import Lab
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
    "dnf -q repoquery --qf '%{{name}}' postfix cyrus-sasl cyrus-sasl-plain": "cyrus-sasl\ncyrus-sasl-plain\npostfix",
    "yum -q repoquery --qf '%{{name}}' postfix": "postfix",
    "rpm -q --qf '%{{version}}' --whatprovides system-release": "{n}",
    "HOME=/tmp rpm -q postfix || true": "package postfix is not installed",
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


@pytest.fixture(scope="module", params=EL)
def bare(lab: Lab, request: pytest.FixtureRequest) -> str:
    """Shared by tests that only look."""
    name: str = request.param
    lab.reset(name, "bare")
    return name


@pytest.mark.parametrize("command", BARE)
def test_the_host_answers_as_the_family_does(lab: Lab, bare: str, command: str) -> None:
    n = RELEASES[bare].number
    answer = lab.exec(bare, command.format(n=n) if "{{" in command else command).decode().strip()
    assert answer == BARE[command].replace("{n}", str(n))
