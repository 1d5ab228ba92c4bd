"""Writes the lab's inventory: what a person would have written for these hosts."""

from pathlib import Path

from lab.hosts import ADMINISTRATOR, SUDO_WITH_PASSWORD, LabHost
from lab.releases import DOMAIN
from lab.state import CHECKOUT, State, write_private

_HEAD = """\
# The lab's hosts, written by `python -m lab up`; changed here, it is overwritten there.
# For your own servers copy example.yaml to site.yaml. Nothing in this file makes a host a lab host:
# that is proven by its SSH host key and by the lab id in its /etc/runbook-lab.
site:
  name: Lab
  domain: {domain}
  resolver: {resolver}        # the lab's own DNS server
  known_hosts: {folder}/known_hosts
  ca:
    directory: {folder}/ca
    passphrase: file:{folder}/secrets/ca-passphrase

defaults:
  user: {user}
  key: {folder}/id_ed25519
  production: false
  certificate:
    key_passphrase: file:{folder}/secrets/key-passphrase
  check_account:
    user: kensa
    password: file:{folder}/secrets/kensa
  clients: [windows-live-mail, thunderbird]

hosts:
"""


def inventory_path(state: State) -> Path:
    """inventory/lab.yaml of the checkout for its own lab; beside the state for one made elsewhere."""
    own = state.folder == CHECKOUT / ".lab"
    return CHECKOUT / "inventory" / "lab.yaml" if own else state.folder / "lab.yaml"


def write_inventory(state: State, hosts: list[LabHost]) -> None:
    """Write it, paths absolute: the file is this machine's and never committed."""
    gateway = hosts[0].network.gateway4
    text = _HEAD.format(domain=DOMAIN, resolver=gateway, folder=state.folder, user=ADMINISTRATOR)
    for host in hosts:
        _, smtp, pop, _ = host.names
        text += (
            f"  {host.name}:\n    address: {host.address}\n    names:\n      smtp: {smtp}\n      pop: {pop}\n"
        )
        if host.name == SUDO_WITH_PASSWORD:
            text += f"    sudo:\n      password: file:{state.folder}/secrets/sudo\n"
    path = inventory_path(state)
    path.parent.mkdir(exist_ok=True)
    write_private(path, text)
