"""Who may look after a mail configuration, as data: by which files each is seen, and what it writes into its files.

Two degrees. A file is *owned* where its own text says so, where Puppet's catalog has it, or where a panel or suite is
here that makes the whole mail configuration from a database of its own. A program that is merely here may own
anything or nothing, so that is only told.
"""

import re
from dataclasses import dataclass

from runbook_lib.inventory import ManagerName


@dataclass(frozen=True)
class Manager:
    """A program that looks after configuration.

    Args:
        key: its name in an inventory.
        name: its name for a person.
        signs: paths by which it is seen, as patterns of the shell.
        words: how it is called in a comment of a file that it writes, as a regular expression.
        makes_all: it makes the whole mail configuration anew from its own database.
    """

    key: ManagerName
    name: str
    signs: tuple[str, ...]
    words: str = ""
    makes_all: bool = False

    def signs_itself(self, comment: str) -> bool:
        """True for a comment that says that this program makes the file, or a part of it."""
        if not self.words:
            return False
        # In '{{ ansible_managed }}', too. Two searches: '.*' between the two would take the square of a line's length.
        name = rf"(?<![a-z])(?:{self.words})(?![a-z])"
        return all(re.search(one, comment, re.IGNORECASE) for one in (_MADE, name))


_MADE = r"(?:managed|maintained|controlled|generated|deployed|provisioned|written|created|configured)"
NO_LONGER = re.compile(
    rf"\b(?:not|no longer|never|once|formerly|previously|used to be)\s+(?:\w+\s+)?{_MADE}\b", re.IGNORECASE
)

# Somebody who does not give a name: '# DO NOT EDIT', '# Local changes will be overwritten'.
ANYBODY = re.compile(
    r"\b(?:managed|generated|deployed) by\b|\bauto-?(?:matically )?\s?generated\b"
    r"|\bdo(?: not|n't) (?:edit|modify|change)\b"
    r"|\b(?:will|might|may|would) be (?:lost|overwritten|overridden|reverted)\b",
    re.IGNORECASE,
)
# What a comment has in it that any of the rules above could take (for grep -iE on the host).
LOOKED_FOR = (
    "managed|maintained|controlled|generated|deployed|provisioned|written|created|configured|overridden|reverted"
    "|be lost|do not|don't"
)

MANAGERS = (
    # Packages of the vendor, of Debian; the catalog is read apart (below).
    Manager("puppet", "Puppet", ("/opt/puppetlabs/bin/puppet", "/usr/bin/puppet"), "puppet"),
    # It leaves no agent: only what a login as its remote user made (remote_tmp, local facts), and ansible-pull.
    Manager(
        "ansible",
        "Ansible",
        ("/etc/ansible/facts.d", "/root/.ansible/tmp", "/home/*/.ansible/tmp", "/usr/bin/ansible-pull"),
        "ansible",
    ),
    Manager("chef", "Chef", ("/usr/bin/chef-client", "/opt/chef", "/opt/cinc", "/etc/chef"), "chef|cinc"),
    Manager(
        "salt", "Salt", ("/usr/bin/salt-minion", "/opt/saltstack/salt", "/etc/salt/minion"), "salt|saltstack"
    ),
    Manager("cfengine", "CFEngine", ("/var/cfengine", "/usr/sbin/cf-agent", "/usr/bin/cf-agent"), "cfengine"),
    # They work on single lines of what is there, as an administrator does.
    Manager("webmin", "Webmin", ("/etc/webmin/postfix",), "webmin"),
    Manager("virtualmin", "Virtualmin", ("/etc/webmin/virtual-server",), "virtualmin"),
    # Panels and suites that make the mail configuration from their own database or templates.
    Manager("cpanel", "cPanel", ("/usr/local/cpanel",), "cpanel", makes_all=True),
    Manager("cyberpanel", "CyberPanel", ("/usr/local/CyberCP",), "cyberpanel", makes_all=True),
    Manager("directadmin", "DirectAdmin", ("/usr/local/directadmin",), "directadmin", makes_all=True),
    Manager("froxlor", "Froxlor", ("/var/www/froxlor", "/var/www/html/froxlor"), "froxlor", makes_all=True),
    Manager("hestia", "Hestia", ("/usr/local/hestia",), "hestia(?:cp)?", makes_all=True),
    Manager("iredmail", "iRedMail", ("/etc/iredmail-release",), "iredmail", makes_all=True),
    Manager("ispconfig", "ISPConfig", ("/usr/local/ispconfig",), "ispconfig", makes_all=True),
    Manager("keyhelp", "KeyHelp", ("/etc/keyhelp",), "keyhelp", makes_all=True),
    Manager("kolab", "Kolab", ("/etc/kolab/kolab.conf",), "kolab", makes_all=True),
    Manager("mailcow", "mailcow", ("/opt/mailcow-dockerized",), "mailcow", makes_all=True),
    Manager("mail-in-a-box", "Mail-in-a-Box", ("/etc/mailinabox.conf",), "mail-?in-?a-?box", makes_all=True),
    Manager("modoboa", "Modoboa", ("/srv/modoboa",), "modoboa", makes_all=True),
    Manager("plesk", "Plesk", ("/usr/local/psa",), "plesk", makes_all=True),
    Manager("proxmox-mail-gateway", "Proxmox Mail Gateway", ("/etc/pmg",), "proxmox|pmg", makes_all=True),
    Manager("univention", "Univention", ("/etc/univention",), "univention\\S*", makes_all=True),
    Manager("yunohost", "YunoHost", ("/etc/yunohost",), "yunohost", makes_all=True),
    Manager("zimbra", "Zimbra", ("/opt/zimbra",), "zimbra", makes_all=True),
)

# Puppet's lists of what it looks after. resources.txt has titles, which mostly are paths (settings resourcefile and
# statedir); the cached catalog has each resource's path (client_datadir). The places: Puppet's own packages, Debian's
# since 7, Debian's before.
PUPPET_VARDIRS = ("/opt/puppetlabs/puppet/cache", "/var/cache/puppet", "/var/lib/puppet")
