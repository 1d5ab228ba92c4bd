"""What is set depends on the Postfix that the host has: 2.10 of CentOS 7, 3.5 of 8 and 9, 3.8 of 10."""

from pathlib import Path, PurePosixPath

import pytest

from runbook_lib import inventory
from runbook_lib.families.enterprise_linux import ENTERPRISE_LINUX
from runbook_lib.mail.target import wanted

PEM = PurePosixPath("/etc/pki/tls/private/postfix_mail-server.pem")
FLOOR = "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"
VERSIONS = ((2, 10), (3, 5), (3, 8))


@pytest.fixture
def host(tmp_path: Path) -> inventory.Host:
    file = tmp_path / "site.yaml"
    file.write_text(
        "site: {name: A, domain: example.test, ca: {passphrase: 'env:A'}}\n"
        "hosts:\n  mail1:\n    address: 192.0.2.1\n    user: kanri\n    names: {smtp: mail.example.test}\n"
        "    certificate: {key_passphrase: 'env:A'}\n"
    )
    return inventory.load(str(file)).host("mail1")


def settings(version: tuple[int, int], release: str, host: inventory.Host) -> dict[str, str | None]:
    found = wanted.settings(version, ENTERPRISE_LINUX.releases[release], host, PEM)
    return {entry.name: entry.value for entry in found}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_floor_is_written_as_a_list_of_what_is_off(
    version: tuple[int, int], host: inventory.Host
) -> None:
    """`>=TLSv1.2` turns TLS off before 3.6, and no check says so."""
    assert settings(version, "9", host)["smtpd_tls_mandatory_protocols"] == FLOOR


def test_the_pair_is_one_file_under_the_names_that_the_version_knows(host: inventory.Host) -> None:
    old, new = settings((2, 10), "7", host), settings((3, 5), "9", host)
    assert (old["smtpd_tls_cert_file"], old["smtpd_tls_key_file"]) == (str(PEM), str(PEM))
    assert "smtpd_tls_chain_files" not in old
    assert new["smtpd_tls_chain_files"] == str(PEM)
    assert (new["smtpd_tls_cert_file"], new["smtpd_tls_key_file"]) == (None, None)


def test_neighbours_may_not_relay_where_that_is_the_default(host: inventory.Host) -> None:
    assert settings((2, 10), "7", host)["mynetworks_style"] == "host"
    assert "mynetworks_style" not in settings((3, 5), "9", host)


@pytest.mark.parametrize(
    ("version", "name"), [((2, 10), "smtps"), ((3, 5), "smtps"), ((3, 8), "submissions")]
)
def test_port_465_has_the_name_that_the_version_can_resolve(version: tuple[int, int], name: str) -> None:
    line = wanted.service(465, version, ENTERPRISE_LINUX)
    assert line.startswith(f"{name} inet n - n - - smtpd -o syslog_name=postfix/{name} ")


def test_no_line_needs_a_form_that_an_old_version_does_not_know(host: inventory.Host) -> None:
    """`-o { name = value }` came with 3.0, `hash:` went with 10's Postfix."""
    lines = [wanted.service(port, (2, 10), ENTERPRISE_LINUX) for port in (465, 587)]
    assert not any("{" in line for line in lines)
    values = [value for version in VERSIONS for value in settings(version, "9", host).values() if value]
    assert not any("hash:" in value or "btree:" in value for value in values)
