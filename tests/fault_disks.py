"""Folders of a lab host on a small file system of their own, so that it can be full.

The mounts are made from this machine, in the host's mount namespace: the host itself may not mount. What a run left on
the small disk goes back into the host's own files at the end, where trees are compared.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fault_scene import Scene

from lab.podman import podman

# What is written to when anything is: podman's own mounts in / stay where they are.
ROOT_FOLDERS = ("/etc", "/usr", "/var")
FULL = r"(?i)no space"
_ROOM_BYTES = 24 * 1024 * 1024  # for what is made, before it is filled
_FILLER = "/mnt/filler"


@contextmanager
def small_disk(scene: Scene, folders: tuple[str, ...]) -> Iterator[None]:
    """Put folders of the host on one ext4 of their own, with 24 MiB free; services begin anew on it."""
    scene.lab.exec(scene.name, "mkdir -p /var/lib/runbook")
    used = scene.lab.exec(scene.name, f"du -sxm --total {' '.join(folders)} | tail -n 1").split()[0]
    image = scene.folder / "disk"
    with image.open("wb") as file:
        file.truncate(int(int(used) * 1.15) * 1024 * 1024 + _ROOM_BYTES)
    _do("mkfs.ext4", "-q", "-m", "0", "-N", "40000", "-O", "^has_journal", str(image))
    device = _do("losetup", "--find", "--show", str(image))
    minor = device.removeprefix("/dev/loop")
    _inside(
        scene,
        f"mknod /root/disk b 7 {minor}; mount -t ext4 /root/disk /mnt; rm /root/disk; rmdir /mnt/lost+found\n"
        + "".join(
            f"mkdir -p /mnt{folder}; cp -ax {folder}/. /mnt{folder}; chown --reference={folder} /mnt{folder}\n"
            f"chmod --reference={folder} /mnt{folder}; mount --bind /mnt{folder} {folder}\n"
            for folder in folders
        ),
    )
    try:
        _services_anew(scene, folders)
        yield
    finally:
        _give_back(scene, folders)
        _do("losetup", "--detach", device)


@contextmanager
def filled(scene: Scene) -> Iterator[None]:
    """Take the last byte of the small disk."""
    last = "".join(f"dd if=/dev/zero of={_FILLER}.{n} bs=1k 2>/dev/null || :\n" for n in (1, 2))
    _inside(scene, f"cat /dev/zero > {_FILLER} 2>/dev/null || :\nsync {_FILLER}\n{last}")
    try:
        yield
    finally:
        _inside(scene, f"rm -f {_FILLER}*")


def _give_back(scene: Scene, folders: tuple[str, ...]) -> None:
    root = Path(podman("mount", scene.container).stdout.decode().strip())
    try:
        for folder in folders:
            _copy(scene.path(f"/mnt{folder}"), root / folder.removeprefix("/"))
    finally:
        podman("umount", scene.container)
    scene.power_off_and_on()  # which ends the mounts


def _copy(source: Path, target: Path) -> None:
    """Make one folder like another; names that podman mounts over are in both and equal."""
    for old in target.iterdir():
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink()
    _do("cp", "-a", f"{source}/.", str(target))


def _services_anew(scene: Scene, folders: tuple[str, ...]) -> None:
    if "/var" in folders:
        begin = "systemctl try-restart $unit 2>/dev/null || :"  # one that is not there is none of ours
        scene.lab.exec(scene.name, f"for unit in postfix saslauthd rsyslog; do {begin}; done")


def _inside(scene: Scene, script: str) -> None:
    _do("nsenter", "-t", str(scene.pid), "-m", "sh", "-euc", script)


def _do(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{words[0]}: {done.stderr}"
    return done.stdout.strip()
