"""Faults of the host, and of others who are at work there."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from fault_disks import FULL, ROOT_FOLDERS, filled, small_disk
from fault_kinds import Kind, Lasting
from fault_scene import Scene

from lab import hosts

OTHER_RUN = "20991231T000000Z-0002"


@contextmanager
def power_cut(scene: Scene) -> Iterator[Lasting]:
    """The host is off at once, and on again; what is in /run is gone."""
    scene.power_off_and_on()
    scene.go_on()
    yield Lasting()


def disk_full(*folders: str, mail: bool = True) -> Kind:
    """No byte is left on a file system of its own, which has these folders."""

    @contextmanager
    def ready(scene: Scene) -> Iterator[None]:
        with small_disk(scene, folders):
            yield

    @contextmanager
    def make(scene: Scene) -> Iterator[Lasting]:
        with filled(scene):
            scene.go_on()
            scene.stopped_with(FULL)
            yield Lasting(mail=mail)

    return Kind(make, ready)


@contextmanager
def _package_lock(scene: Scene, hold_s: float) -> Iterator[None]:
    """A package manager's lock as another holds it: fcntl(2), by a process on the host itself."""
    path = "/var/lib/dpkg/lock-frontend" if scene.is_debian else "/var/lib/rpm/.rpm.lock"
    script = (
        f"open(F, '+<', '{path}') or die; $l = pack('ssx4qqlx4', 1, 0, 0, 0, 0); "
        f"fcntl(F, 6, $l) or die; "
        f"$| = 1; print 'HELD'; sleep {hold_s:g}"
    )
    holder = subprocess.Popen(
        ["podman", "--log-level=error", "exec", scene.container, "perl", "-e", script], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.read(4) == b"HELD", "the lock could not be taken"
    try:
        yield
    finally:
        scene.lab.exec(scene.name, "kill $(pgrep -x perl) 2>/dev/null || :")
        holder.wait(timeout=30)


@contextmanager
def package_lock_for_a_while(scene: Scene) -> Iterator[Lasting]:
    """Another package manager is at work for 40 s: the run waits for it."""
    with _package_lock(scene, 40):
        scene.go_on()
        assert scene.status == 0, scene.said
        yield Lasting()


@contextmanager
def package_lock_for_good(scene: Scene) -> Iterator[Lasting]:
    """It does not end: the run says who holds the lock, and leaves it."""
    with _package_lock(scene, 1000):
        scene.go_on()
        scene.stopped_with(r"the package manager's lock is held by .*perl")
        yield Lasting()


@contextmanager
def second_run(scene: Scene) -> Iterator[Lasting]:
    """Somebody else begins a run on the same host: it is refused, and the first goes on."""
    words = (
        "apply",
        "--inventory",
        scene.inventory,
        "--host",
        scene.name,
        "--notebooks",
        str(scene.folder / "notebooks"),
    )
    other = subprocess.run(
        scene.command(*words), env=scene.environment | {"RUNBOOK_RUN": OTHER_RUN},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert other.returncode == 1, other.stdout
    assert f"run {scene.run} of " in other.stdout, other.stdout + other.stderr
    assert "is at work on this host" in other.stdout, other.stdout + other.stderr
    scene.go_on()
    assert scene.status == 0, scene.said
    yield Lasting()


@contextmanager
def stale_lock(scene: Scene) -> Iterator[Lasting]:
    """Lock files of a run that nobody holds any more lie about."""
    scene.kill()
    scene.host_is_idle()
    scene.path("/run/runbook.lock").write_text("run 20250101T000000Z-dead of somebody\n")
    yield Lasting()


@contextmanager
def host_key_changed(scene: Scene) -> Iterator[Lasting]:
    """The connection ends, and the host that answers then shows other keys."""
    restart = "systemctl restart ssh 2>/dev/null || systemctl restart sshd"
    scene.lab.exec(
        scene.name,
        "mkdir /root/keys; mv /etc/ssh/ssh_host_* /root/keys; ssh-keygen -q -A\n"
        f"{restart}\nkill $(pgrep -f '^sshd.*: kanri')",
    )
    try:
        scene.go_on()
        yield Lasting(r"(?s)SHA256:.*SHA256:")
    finally:
        scene.lab.exec(
            scene.name, f"rm /etc/ssh/ssh_host_*; mv /root/keys/* /etc/ssh; rmdir /root/keys; {restart}"
        )
        hosts.wait(scene.lab.host(scene.name))


@contextmanager
def sudo_taken_away(scene: Scene) -> Iterator[Lasting]:
    """The account may not become root any more."""
    rights = "/etc/sudoers.d/kanri"
    scene.lab.exec(scene.name, f"cp -a {rights} /root/kanri; echo 'kanri ALL=(ALL) /usr/bin/true' > {rights}")
    try:
        scene.go_on()
        scene.stopped_with("sudo")
        yield Lasting("sudo")
    finally:
        scene.lab.exec(scene.name, f"cat /root/kanri > {rights}; rm /root/kanri")


@contextmanager
def mirror_broken(scene: Scene) -> Iterator[Lasting]:
    """Packages cannot be fetched any more."""
    there, away = "/usr/share/ellab/repository", "/usr/share/ellab/away"
    no_way = "/etc/apt/apt.conf.d/99fault"
    if scene.is_debian:
        scene.lab.exec(
            scene.name,
            f'echo \'Acquire::http::Proxy "http://127.0.0.1:9"; Acquire::Retries "0";\' > {no_way}',
        )
    else:
        scene.lab.exec(scene.name, f"mv {there} {away}; dnf -q clean all")
    try:
        scene.go_on()
        scene.stopped_with("packages .* a command ended with status|cannot be had|no candidate")
        yield Lasting()
    finally:
        scene.lab.exec(scene.name, f"rm {no_way}" if scene.is_debian else f"mv {away} {there}")


KINDS: dict[str, Kind] = {
    "power cut": Kind(power_cut),
    "disk full: /etc": disk_full("/etc"),
    "disk full: the journal's": disk_full("/var/lib/runbook"),
    "disk full: /": disk_full(*ROOT_FOLDERS, mail=False),
    "package lock held for 40 s": Kind(package_lock_for_a_while),
    "package lock held for good": Kind(package_lock_for_good),
    "second run": Kind(second_run),
    "stale lock": Kind(stale_lock),
    "host key changed": Kind(host_key_changed),
    "sudo taken away": Kind(sudo_taken_away),
    "mirror broken": Kind(mirror_broken),
}
