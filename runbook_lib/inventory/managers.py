"""Programs that look after other programs' configuration, by the name that an inventory has for them."""

from typing import Literal

ManagerName = Literal[
    "puppet",
    "ansible",
    "chef",
    "salt",
    "cfengine",
    "cpanel",
    "cyberpanel",
    "directadmin",
    "froxlor",
    "hestia",
    "iredmail",
    "ispconfig",
    "keyhelp",
    "kolab",
    "mailcow",
    "mail-in-a-box",
    "modoboa",
    "plesk",
    "proxmox-mail-gateway",
    "univention",
    "virtualmin",
    "webmin",
    "yunohost",
    "zimbra",
]
