"""The file from which Thunderbird, and clients that read its format, set an account up by themselves."""

from xml.etree import ElementTree

from runbook_lib.clients.settings import POP_PORT, ClientSettings, Security
from runbook_lib.errors import UsageError
from runbook_lib.messages import message

# The format's words; 'SSL' is TLS from the first byte, whatever its version.
_SOCKET_TYPE: dict[Security, str] = {"SSL/TLS": "SSL", "STARTTLS": "STARTTLS"}


def autoconfig_xml(settings: ClientSettings) -> bytes:
    """`config-v1.1.xml`, to be served as `https://autoconfig.DOMAIN/mail/config-v1.1.xml`.

    Clients take the first outgoing server they can use, so 465 comes first. Only names that the
    certificate covers are in it, since `ClientSettings` knows no others.

    Args:
        settings: of one server; `pop_name` must be there, since clients refuse a file without an
            incoming server. Its port is 995, with TLS from the first byte.
    Returns: the file, UTF-8.
    Raises:
        UsageError: the settings name no server to fetch mail from.
    Source: draft-ietf-mailmaint-autoconfig; readFromXML of Thunderbird 153 ESR reads it.
    """
    if settings.pop_name is None:
        raise UsageError(
            message("there is no server to fetch mail from, and Thunderbird refuses a file without one"),
            f"{settings.smtp_name}, config-v1.1.xml",
            message("name it under names.pop in the inventory, or set the accounts by hand (chapter 3-2)"),
        )
    root = ElementTree.Element("clientConfig", version="1.1")
    provider = _child(root, "emailProvider", id=settings.domain)
    _child(provider, "domain", settings.domain)
    _child(provider, "displayName", settings.site)
    _child(provider, "displayShortName", settings.site)
    _server(provider, "incomingServer", "pop3", settings, settings.pop_name, POP_PORT, "SSL/TLS")
    for server in settings.servers:
        _server(
            provider, "outgoingServer", "smtp", settings, settings.smtp_name, server.port, server.security
        )
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return content + b"\n"


def _server(
    provider: ElementTree.Element,
    tag: str,
    kind: str,
    settings: ClientSettings,
    name: str,
    port: int,
    security: Security,
) -> None:
    server = _child(provider, tag, type=kind)
    _child(server, "hostname", name)
    _child(server, "port", str(port))
    _child(server, "socketType", _SOCKET_TYPE[security])
    _child(server, "username", settings.login_name("%EMAILLOCALPART%"))
    # 'cleartext' is the format's word for AUTH PLAIN and LOGIN; TLS is around it.
    _child(server, "authentication", "password-cleartext")


def _child(parent: ElementTree.Element, tag: str, text: str = "", **attributes: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text or None
    return element
