"""Mail clients: a settings page for each, made from the inventory and the certificate.

To add a client, add a module with a `guide(settings)` and its name here and in the inventory's model.
"""

from collections.abc import Callable, Mapping, Sequence

from runbook_lib.clients import thunderbird, windows_live_mail
from runbook_lib.clients.autoconfig import autoconfig_xml
from runbook_lib.clients.findings import findings_shown
from runbook_lib.clients.guide import Guide
from runbook_lib.clients.page import render_page
from runbook_lib.clients.settings import SECURITY, CaFile, ClientSettings, Server, settings_for

CLIENTS: Mapping[str, Callable[[ClientSettings], Guide]] = {
    "windows-live-mail": windows_live_mail.guide,
    "thunderbird": thunderbird.guide,
}


def files_for_users(settings: ClientSettings, clients: Sequence[str]) -> dict[str, bytes]:
    """Everything that users of a server get: a page for each client, the own CA's file, a configuration file.

    Args:
        settings: of the server.
        clients: names of the clients that users have.
    Returns: content by file name.
    """
    files = {
        f"{client}.html": render_page(CLIENTS[client](settings), settings).encode() for client in clients
    }
    files |= {ca.name: ca.content for ca in settings.cas}
    if "thunderbird" in clients and settings.pop_name is not None:
        files["config-v1.1.xml"] = autoconfig_xml(settings)
    return files


__all__ = [
    "CLIENTS",
    "SECURITY",
    "CaFile",
    "ClientSettings",
    "Guide",
    "Server",
    "autoconfig_xml",
    "files_for_users",
    "findings_shown",
    "render_page",
    "settings_for",
]
