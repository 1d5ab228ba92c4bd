"""What pyinfra does not ask and do by itself: postconf, an override, a signed certificate, the proof."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

from pyinfra import host, state
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.exceptions import OperationError
from pyinfra.facts.files import File
from pyinfra.operations import files

HERE = Path(__file__).resolve().parents[1]
sys.path.append(str(HERE))
from probe import faults  # noqa: E402


class Lines(FactBase):
    """The lines of `postconf OPTION`; none where Postfix is not installed yet."""

    default = list

    def requires_command(self, option):  # noqa: ARG002  # as pyinfra calls it
        return "postconf"

    def command(self, option):
        return f"postconf {option}"

    def process(self, output):
        return list(output)


class Lasts(FactBase):
    """Whether a certificate is there and lasts some seconds more."""

    def command(self, path, seconds):
        return f"openssl x509 -in {path} -noout -checkend {seconds} >/dev/null 2>&1 && echo yes || echo no"

    def process(self, output):
        return output[-1:] == ["yes"]


class AtBoot(FactBase):
    """Whether a unit is enabled; of a sysv script systemctl says so only by itself."""

    def command(self, unit):
        return f"systemctl is-enabled {unit} 2>/dev/null || true"

    def process(self, output):
        return output[-1:] == ["enabled"]


class Override(FactBase):
    """dpkg's line for a path."""

    def command(self, path):
        return f"dpkg-statoverride --list {path} || true"

    def process(self, output):
        return output[0] if output else ""


def _postconf(option, words):
    return StringCommand("postconf", option, *[QuoteString(word) for word in words])


@operation()
def main_cf(present, absent):
    """Parameters, those alone that differ."""
    now = host.get_fact(Lines, option="-n")
    missing = [line for line in (f"{name} = {value}" for name, value in present.items()) if line not in now]
    if missing:
        yield _postconf("-e", missing)
    there = [name for name in absent if any(line.startswith(f"{name} =") for line in now)]
    if there:
        yield _postconf("-X", there)


@operation()
def master_cf(services):
    """Services and their options, those alone that differ."""
    now = host.get_fact(Lines, option="-F")
    for name in services:
        if f"{name}/inet/chroot = y" not in now:
            yield _postconf("-Me", [f"{name}/inet={name} inet n - y - - smtpd"])
    now = host.get_fact(Lines, option="-P")
    wanted = [
        f"{name}/inet/{key} = {value}" for name, keys in services.items() for key, value in keys.items()
    ]
    missing = [line for line in wanted if line not in now]
    if missing:
        yield _postconf("-Pe", missing)


@operation()
def override(path, user, group, mode):
    """Owner and mode that dpkg keeps."""
    if host.get_fact(Override, path=path) != f"{user} {group} {mode.lstrip('0')} {path}":
        yield f"dpkg-statoverride --force-statoverride-add --add {user} {group} {mode} {path}"


@operation()
def at_boot(unit):
    """A unit that starts with the host."""
    if not host.get_fact(AtBoot, unit=unit):
        yield f"systemctl enable {unit}"


@operation()
def private_key(path):
    """A key, made on the host."""
    if not host.get_fact(File, path=path):
        yield f"umask 077 && openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out {path}"
    yield from files.file._inner(path=path, user="root", group="root", mode="600")


@operation()
def certificate(key, path, dns_name, seconds):
    """Signed on the controller where it is missing or ends soon."""
    if host.get_fact(Lasts, path=path, seconds=seconds):
        return
    if not state.is_executing:
        yield "true"
        return
    asked = f"openssl req -new -key {key} -subj /CN={dns_name} -addext subjectAltName=DNS:{dns_name}"
    done, out = host.run_shell_command(asked, _sudo=True)
    if not done:
        raise OperationError(f"request: {out.stderr}")
    signed = subprocess.run(
        [HERE / "ca", "sign", dns_name], input=out.stdout, capture_output=True, text=True, check=True
    )
    yield from files.put._inner(src=StringIO(signed.stdout), dest=path, user="root", group="root", mode="644")


@operation()
def checked():
    """Postfix's own check, by status and words, and a master that runs."""
    if not state.is_executing:
        return
    done, out = host.run_shell_command("postfix check 2>&1", _sudo=True)
    if not done or any(
        word in line for line in out.stdout_lines for word in ("warning:", "error:", "fatal:")
    ):
        raise OperationError(f"postfix check: {out.stdout}")
    done, _ = host.run_shell_command("postfix status", _sudo=True)
    if not done:
        raise OperationError("postfix does not run")
    return
    yield


@operation()
def proved():
    """Handshakes, logins and relay, from the controller."""
    if not state.is_executing:
        return
    found = faults(host.data.ssh_hostname, host.data.mail_name)
    if found:
        raise OperationError(f"probe: {found}")
    return
    yield
