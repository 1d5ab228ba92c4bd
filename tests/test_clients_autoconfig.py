"""The configuration file has the right words for each port, and only names that the certificate covers."""

from typing import Any

import pytest
from clients_samples import NAMES, settings
from lxml import etree  # type: ignore[import-untyped]

from runbook_lib.clients import ClientSettings, autoconfig_xml
from runbook_lib.errors import UsageError

TAGS = ["hostname", "port", "socketType", "username", "authentication"]


def parsed(used: ClientSettings) -> Any:
    return etree.fromstring(autoconfig_xml(used), etree.XMLParser(resolve_entities=False))


@pytest.mark.parametrize(("port", "socket_type"), [(465, "SSL"), (587, "STARTTLS")])
def test_each_port_has_its_socket_type(port: int, socket_type: str) -> None:
    """The format's 'SSL' for 465, 'STARTTLS' for 587."""
    assert parsed(settings()).xpath(f"//outgoingServer[port='{port}']/socketType/text()") == [socket_type]


def test_465_is_the_first_outgoing_server() -> None:
    """Clients take the first that they can use."""
    assert parsed(settings(ports=(587, 465))).xpath("//outgoingServer/port/text()") == ["465", "587"]


def test_the_file_has_the_format_s_shape() -> None:
    """Version, one provider whose id is the mail domain, one incoming server, and what each server must have."""
    root = parsed(settings())
    assert root.tag == "clientConfig"
    assert root.get("version") == "1.1"
    assert root.xpath("/clientConfig/emailProvider/@id") == ["example.test"]
    assert root.xpath("/clientConfig/emailProvider/domain/text()") == ["example.test"]
    assert root.xpath("//incomingServer[@type='pop3']/port/text()") == ["995"]
    for server in root.xpath("//incomingServer | //outgoingServer"):
        assert [child.tag for child in server] == [
            "hostname",
            "port",
            "socketType",
            "username",
            "authentication",
        ]
        assert server.findtext("authentication") == "password-cleartext"


def test_only_covered_names_are_in_it() -> None:
    """A client that is sent to another name warns its user of the certificate."""
    assert set(parsed(settings()).xpath("//hostname/text()")) <= set(NAMES)


@pytest.mark.parametrize(
    ("realm", "form"), [("", "%EMAILLOCALPART%"), ("ad.example.test", "%EMAILLOCALPART%@ad.example.test")]
)
def test_the_user_name_has_the_form_that_works(realm: str, form: str) -> None:
    """Behind what stands before the @ comes the realm, where there is one."""
    assert set(parsed(settings(realm=realm)).xpath("//username/text()")) == {form}


def test_a_site_s_name_with_markup_stays_text() -> None:
    name = "A & B <mail>"
    assert parsed(settings(site=name)).xpath("//displayName/text()") == [name]


def test_without_a_server_to_fetch_from_there_is_no_file_and_a_reason() -> None:
    """Thunderbird refuses a file without an incoming server, so none is made."""
    with pytest.raises(UsageError, match=r"no server to fetch mail from"):
        autoconfig_xml(settings(pop_name=None))
