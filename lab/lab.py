"""The lab as a whole: up, reset, keep, status, down."""

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from lab import dns, host_images, hosts, images, network, outsider, tree, true_images
from lab.hosts import MOST_OF_A_RELEASE, LabHost
from lab.images import Image, Progress
from lab.inventory_file import inventory_path, write_inventory
from lab.machine import check_inotify, check_machine
from lab.network import Network
from lab.outsider import Outsider
from lab.podman import AddressTaken, inside, podman
from lab.prepared import PREPARED, Prepared, digest, run_chapters
from lab.recipes import STATES
from lab.releases import RELEASES
from lab.state import State, folder_from_environment
from lab.status import LabStatus, read_status
from lab.tree import OUTSIDE, Entry, read_tree
from runbook_lib.errors import LabError


def silent(_line: str) -> None:
    """Progress for a caller that shows none."""


class Lab:
    """Real hosts, their network and their DNS server, kept in one state folder.

    Args:
        state: the folder; read anew at each call, since several processes may use one lab.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    @classmethod
    def load(cls) -> "Lab":
        """The lab of $RUNBOOK_LAB, else of the checkout; it need not be up."""
        return cls(State(folder_from_environment()))

    @property
    def folder(self) -> Path:
        """The state folder."""
        return self._state.folder

    @property
    def inventory(self) -> Path:
        """The inventory file that `up` writes."""
        return inventory_path(self._state)

    @property
    def network(self) -> Network:
        """The lab's network, as `up` made it."""
        data = self._state.read()
        if data["subnet"] is None:
            raise LabError("the lab is half made", str(self.folder), "run `python -m lab up`")
        return Network(network.name_of(data), data["subnet"])

    @property
    def hosts(self) -> list[LabHost]:
        """All hosts."""
        lab_network, data = self.network, self._state.read()
        releases = true_images.releases(self._state)
        first = [LabHost(release, lab_network, data["lab_id"]) for release in releases]
        further = data.get("further", {})
        return first + [
            replace(host, place=place) for host in first for place in range(2, further.get(host.name, 1) + 1)
        ]

    def host(self, name: str) -> LabHost:
        """One host.

        Raises: LabError for another name than the lab's.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabError(
            f"no host {name!r}", "lab", f"name one of {', '.join(host.name for host in self.hosts)}"
        )

    def secret(self, name: str) -> str:
        """A password of the lab, by the name of its file in `secrets/`: hanako, tarou, kensa, sudo, …"""
        return self._state.secret_path(name).read_text(encoding="utf-8").removesuffix("\n")

    def up(
        self,
        progress: Progress = silent,
        instead: Mapping[str, str] | None = None,
        names: Collection[str] = tuple(RELEASES),
        count: int | None = None,
        first: str = "bare",
    ) -> None:
        """Make the lab, or repair it: what is there and whole stays as it is.

        Args:
            progress: told one line a step.
            instead: host → image of the true system in a registry; holds until `down`.
            names: the hosts to start, of each what the lab has of its release; the others can be started by `reset`.
            count: how many to start in all; those beyond `names` are more of their releases, NAME-2 and on, which
                the lab has until `down`.
            first: one of STATES, in which hosts start that the lab has not had yet.
        Raises: LabError when no lab can run here, a part does not come up, or an image cannot be had.
        """
        check_machine()
        wanted_of = None if count is None else further(names, count)
        self._state.create()
        with self._state.lock("up", timeout_s=900.0):  # another `up` may be building images
            self._forget_lost()
            true_images.choose(self._state, instead or {}, progress)
            hosts.make_administrator_key(self._state)
            hosts.make_secrets(self._state)
            for release in true_images.releases(self._state):
                for state, made in release.recipe.states.items():
                    if made.early and release.name in names:
                        host_images.make(release, state, progress)
            try:
                self._up(progress, names, wanted_of, first, {})
            except AddressTaken:
                self._up(progress, names, wanted_of, first, self._free_addresses(progress))

    def _up(
        self,
        progress: Progress,
        names: Collection[str],
        wanted_of: Mapping[str, int] | None,
        first: str,
        rescued: Mapping[str, str],
    ) -> None:
        """The network and what is in it: DNS server and hosts.

        Args:
            rescued: host → image with its files, of those that are to be made anew.
        Raises: AddressTaken: podman gives a host its address no more in this network.
        """
        network.create(self._state)
        if wanted_of is not None:
            self._have(wanted_of)
        for host in self.hosts:
            hosts.make_keys(self._state, host)
        hosts.write_known_hosts(self._state, self.hosts)
        write_inventory(self._state, self.hosts)
        dns.start(self._state, self.network, self._further_names())
        wanted = [host for host in self.hosts if host.release.name in names or host.name in rescued]
        check_inotify(sum(not hosts.is_up(host) for host in wanted))
        # A host that boots waits for much of its time.
        with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
            list(pool.map(lambda host: self._repair(host, first, progress, rescued.get(host.name)), wanted))
        dns.wait(self.network)

    def reset(self, name: str, state: str | Prepared = "bare", progress: Progress = silent) -> LabHost:
        """Give a host back in a starting state; its SSH keys stay the same.

        Args:
            name: the host.
            state: key of STATES or PREPARED, a state of the caller's own, or a name given to `keep`. A prepared one
                is made first where it is not kept, or was made by other code; $RUNBOOK_LAB_STATES=kept takes one
                that was made by other code, too.
            progress: told one line a step, where an image has to be made first.
        Returns: the host, accepting SSH.
        Raises: LabError for a state that nobody kept, or a host that does not come up.
        """
        host = self.host(name)
        wanted = PREPARED.get(state) if isinstance(state, str) else state
        image = self._prepare(host, wanted, progress) if wanted else self._image(host, str(state), progress)
        called = wanted.name if wanted else str(state)
        if image is None:
            kept = images.kept_states(host.lab_id, name)
            known = ", ".join([*STATES, *PREPARED, *kept])
            raise LabError(f"no state {called!r}", name, f"name one of {known}")
        with self._state.lock(name):
            network.set_guard_routes()
            self._write_down(host, called, image)
            hosts.recreate(host, image.tag, self._state, personal=called not in STATES)
        return host

    def keep(self, name: str, state: str) -> None:
        """Keep a host's files as they are now, to `reset` to: what takes long is then done once.

        Args:
            name: the host; it goes on running.
            state: what to call it; not one of STATES. Kept before under this name: replaced.
        """
        if state in STATES or state in PREPARED:
            raise LabError(f"{state!r} is a state of the lab's own", "lab", "give another name")
        host = self.host(name)
        with self._state.lock(name):
            origin = self._state.read()["hosts"][name]["origin"]
            images.keep(host.container, images.kept_tag(host.lab_id, name, state), origin)

    def exec(self, name: str, script: str, timeout_s: float = 60.0, check: bool = True) -> bytes:
        """Run an sh script as root inside a host, past SSH: for what a test asserts.

        Args:
            name: the host.
            script: sh; it ends at the first command that fails.
            timeout_s: seconds it is given.
            check: raise LabError on a status other than 0.
        Returns: its standard output.
        """
        done = inside(self.host(name).container, script.encode(), timeout_s)
        if check and done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-600:]
            raise LabError(
                f"the script ended with status {done.returncode}: {said}", name, "mend the script", ""
            )
        return done.stdout

    def tree(self, name: str, under: str = "/", outside: Collection[str] = OUTSIDE) -> dict[str, Entry]:
        """A host's files as data, see `lab.tree.read_tree`; compare two with `lab.tree.compare`."""
        return read_tree(self.host(name).container, under, outside)

    def tree_digest(self, name: str, under: str = "/", outside: Collection[str] = OUTSIDE) -> str:
        """One SHA-256 for a host's files."""
        return tree.digest(self.tree(name, under, outside))

    def reboot(self, name: str) -> None:
        """Reboot a host as an administrator would, and wait until it is up again."""
        with self._state.lock(name):
            hosts.reboot(self.host(name))

    @contextmanager
    def outsider(self) -> Iterator[Outsider]:
        """Addresses outside the lab's subnet to bind a client to; one caller at a time."""
        with self._state.lock("outsider"), outsider.on_bridge(self.network) as addresses:
            yield addresses

    @contextmanager
    def also_in_dns(self, *records: str) -> Iterator[None]:
        """More records in the lab's DNS for the time being, as lines of dnsmasq's configuration."""
        with self._state.lock("dns"):
            dns.start(self._state, self.network, (*self._further_names(), *records))
            dns.wait(self.network)
            try:
                yield
            finally:
                dns.start(self._state, self.network, self._further_names())
                dns.wait(self.network)

    def hosts_up(self) -> int:
        """How many of the hosts are up; 0 where there is no lab."""
        return sum(map(hosts.is_up, self.hosts)) if self._state.exists else 0

    def status(self) -> LabStatus:
        """The lab as it is now."""
        return read_status(self._state, self.network, self.hosts)

    def down(self, with_images: bool = False, progress: Progress = silent) -> None:
        """Remove what `up` made, and nothing else.

        Args:
            with_images: also the images, which other labs of this machine share.
            progress: told one line a step.
        """
        dns.stop(self._state)
        self._remove_containers()
        if self._state.exists:
            for image in images.of_lab(self._state.read()["lab_id"]):
                images.remove(image)
        for name in network.of_folder(self.folder):
            network.remove(name)
        self.inventory.unlink(missing_ok=True)
        if self.folder.exists():
            shutil.rmtree(self.folder)
        progress("down: hosts, network, DNS server and state are removed")
        if with_images:
            for tag in reversed(images.made_here()):
                images.remove(tag)
        left = len(images.made_here())
        if left:
            progress(f"{left} images stay for the next time; `python -m lab down --images` removes them")

    def _have(self, wanted: Mapping[str, int]) -> None:
        """Write down how many hosts of each release the lab has from now on; it loses none."""
        with self._state.change() as data:
            has = data.setdefault("further", {})
            has |= {name: max(number, has.get(name, 1)) for name, number in wanted.items()}

    def _further_names(self) -> list[str]:
        """Lines of dnsmasq's configuration for hosts that are not a release's first."""
        return [
            f"host-record={name},{host.address},{host.address6}"
            for host in self.hosts
            if host.place > 1
            for name in host.names
        ]

    def _image(self, host: LabHost, state: str, progress: Progress) -> Image | None:
        if state in STATES:
            return host_images.make(host.release, state, progress)
        return images.find_tag(images.kept_tag(host.lab_id, host.name, state))

    def _prepare(self, host: LabHost, state: Prepared, progress: Progress) -> Image:
        """The image of a prepared state, made where it is missing; by one process at a time, for all labs."""
        identity = self._state.identity
        prefix = images.kept_tag(identity, host.name, f"{state.name}-")
        tag = prefix + digest(host.release, state)
        if os.environ.get("RUNBOOK_LAB_STATES") == "kept" and not images.find_tag(tag):
            tag = next((prefix + old for old in images.kept_states(identity, host.name, state.name)), tag)
        with images.building(tag):
            if image := images.find_tag(tag):
                return image
            progress(f"{host.name}: making the state '{state.name}'")
            self.reset(host.name, state.start, progress)
            if state.chapters:
                run_chapters(host.name, host.release, state, self.folder, self.inventory)
            if state.script:
                self.exec(host.name, state.script, timeout_s=600.0)
            for old in images.kept_states(identity, host.name, state.name):
                images.remove(prefix + old)
            origin = self._state.read()["hosts"][host.name]["origin"]
            with self._state.lock(host.name):
                images.keep(host.container, tag, origin, identity)
        image = images.find_tag(tag)
        if image is None:
            raise LabError(f"{tag} is not there after it was made", "lab", "run the same again")
        return image

    def _free_addresses(self, progress: Progress) -> dict[str, str]:
        """Remove the network with its hosts, and let the next one have another name.

        podman 4.3 never frees an address that a killed start has taken: its list goes by the network's name, and
        outlives network and container.

        Returns: of each host that was started the image with the files that it has.
        """
        progress("an address is taken by a start that was killed: the network is made anew, with its hosts")
        rescued = {}
        with ExitStack() as locks:
            for host in self.hosts:
                locks.enter_context(self._state.lock(host.name))
            for host in self.hosts:
                if hosts.has_started(host):
                    rescued[host.name] = self._keep_files(host)
            for host in self.hosts:
                podman("rm", "-f", "-i", "-t", "0", "-v", host.container)
            network.remove(self.network.name)
            with self._state.change() as data:
                data["networks_before"] = data.get("networks_before", 0) + 1
        return rescued

    def _repair(self, host: LabHost, first: str, progress: Progress, rescued: str | None) -> None:
        """Bring a host up as it was: started again, else made anew with its files, else in its last state.

        Args:
            rescued: the image with its files, where its container was removed.
        """
        with self._state.lock(host.name):
            if hosts.is_up(host):
                return
            if rescued:
                hosts.recreate(host, rescued, self._state, personal=True)
                progress(f"{host.name}: made anew, with the files it had")
                return
            if hosts.has_started(host):
                progress(f"{host.name}: starting again")
                if hosts.start_again(host):
                    return
                if self._rescue(host):
                    progress(f"{host.name}: made anew, with the files it had")
                    return
            known = self._state.read()["hosts"].get(host.name, {"state": first, "image": ""})
            state = known["state"]
            image = self._image(host, state, progress) if state in STATES else images.find_tag(known["image"])
            if image is None:  # kept by somebody, and removed by hand since
                state, image = "bare", host_images.make(host.release, "bare", progress)
            self._write_down(host, state, image)
            hosts.recreate(host, image.tag, self._state, personal=state not in STATES)
            progress(f"{host.name}: up, {host.address}, {state}, image from {image.origin}")

    def _rescue(self, host: LabHost) -> bool:
        """podman cannot start a container whose monitor was killed, but its files are all there."""
        try:
            hosts.recreate(host, self._keep_files(host), self._state, personal=True)
        except LabError:
            return False
        return True

    def _keep_files(self, host: LabHost) -> str:
        """Keep what a host has as files, also where it does not run; the image's tag."""
        tag = images.kept_tag(host.lab_id, host.name, "rescued")
        images.keep(host.container, tag, self._state.read()["hosts"][host.name]["origin"])
        return tag

    def _write_down(self, host: LabHost, state: str, image: Image) -> None:
        with self._state.change() as data:
            data["hosts"][host.name] = {
                "address": host.address,
                "address6": host.address6,
                "hostname": host.hostname,
                "container": host.container,
                "state": state,
                "image": image.tag,
                "origin": image.origin,
                "host_keys": hosts.host_keys(self._state, host.name),
            }

    def _forget_lost(self) -> None:
        """Remove what an earlier lab of this folder left whose state file is gone."""
        data = self._state.read()
        self._remove_containers(spare=f"runbook-{data['lab_id']}-")
        for name in network.of_folder(self.folder):
            if name != network.name_of(data):
                network.remove(name)

    def _remove_containers(self, spare: str | None = None) -> None:
        label = f"label={network.FOLDER_LABEL}={self.folder}"
        names = podman("ps", "-a", "--filter", label, "--format", "{{.Names}}").stdout.decode().split()
        for name in names:
            if spare is None or not name.startswith(spare):
                podman("rm", "-f", "-i", "-t", "0", "-v", name)


def further(names: Collection[str], count: int) -> dict[str, int]:
    """How many hosts of each named release there are where so many are wanted in all, as even as can be.

    Raises: LabError for fewer hosts than are named, or more than there are addresses for.
    """
    most = len(names) * MOST_OF_A_RELEASE
    if not len(names) <= count <= most:
        raise LabError(
            f"{count} hosts cannot be had of {', '.join(names)}",
            "--count",
            f"give {len(names)} to {most}",
            "",
        )
    each, rest = divmod(count, len(names))
    return {name: each + (number < rest) for number, name in enumerate(names)}
