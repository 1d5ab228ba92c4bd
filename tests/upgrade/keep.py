"""Keep what a version of this runbook leaves on a host: how the archives beside this file were made.

    python tests/upgrade/keep.py CHECKOUT HOST

CHECKOUT is a checkout of that version with its own .venv; its command applies the chapters to a host of this
checkout's lab, which is given back 'fresh' first. Kept are the host's files that the run made or changed, its journal,
the records, the CA and its passphrase, all made for this and of no use elsewhere.
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

from lab import Lab
from lab.tree import compare

HERE = Path(__file__).parent
# What a run makes or changes by itself; what its packages bring comes with them.
_OURS = (
    "/etc/default/", "/etc/firewalld/zones/", "/etc/pam.d/", "/etc/pki/", "/etc/postfix/", "/etc/ssl/",
    "/etc/sysconfig/", "/etc/systemd/system/saslauthd.service.d/", "/var/lib/runbook/",
)  # fmt: skip


def keep(checkout: Path, name: str) -> Path:
    """Apply, and write the archive; returns it."""
    lab = Lab.load()
    lab.up()
    version = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    lab.reset(name, "fresh")
    before = lab.tree(name)
    with tempfile.TemporaryDirectory() as folder:
        ca = Path(folder, "ca")
        passphrase = Path(folder, "ca-passphrase")
        passphrase.write_text("of a CA for tests alone\n")
        passphrase.chmod(0o600)
        book = YAML().load(lab.inventory)
        book["site"]["ca"] = {"directory": str(ca), "passphrase": f"file:{passphrase}"}
        inventory, keys = Path(folder, "lab.yaml"), Path(folder, "lab")
        keys.symlink_to(lab.inventory.parents[1] / ".lab")  # records say where things lie
        with inventory.open("w") as file:
            YAML().dump(book, file)
        inventory.write_text(inventory.read_text().replace(str(keys.resolve()), str(keys)))
        inventory.chmod(0o600)
        records = Path(folder, "records")
        environment = os.environ | {"RUNBOOK_RECORDS": str(records), "PYTHONPATH": ""}
        for words in (
            ["ca", "init"],
            ["apply", "--host", name, "--reason", "kept for the tests of upgrades"],
        ):
            subprocess.run(
                [str(checkout / ".venv/bin/runbook"), *words, "--inventory", str(inventory)],
                check=True, env=environment, cwd=checkout,
            )  # fmt: skip
        changed = [path for path, (_, after) in compare(before, lab.tree(name)).items() if after is not None]
        ours = [path for path in changed if path.startswith(_OURS)]
        listed = "\0".join(path.lstrip("/") for path in ours)
        script = f"cd /; tar -c --no-recursion --numeric-owner --null -T - <<'EOF'\n{listed}\nEOF\n"
        kept = lab.exec(name, script.replace("\0", "\n").replace("--null ", ""))
        archive = HERE / f"{version}-{name}.tar.xz"
        with tarfile.open(archive, "w:xz", preset=9) as tar:
            host = tarfile.TarInfo("host.tar")
            host.size = len(kept)
            tar.addfile(host, io.BytesIO(kept))
            for part in (ca, passphrase, records):
                tar.add(part, part.name)
    return archive


if __name__ == "__main__":
    sys.stdout.write(f"{keep(Path(sys.argv[1]), sys.argv[2])}\n")
