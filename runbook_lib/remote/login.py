"""One SSH connection, from TCP to a logged-in transport: strict host key, the inventory's key first and only.

paramiko's `SSHClient` is not used: it offers a certificate without the plain key beside it, tries each file
as every kind of key, and takes the first key type of known_hosts alone.
"""

import logging
import queue
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import paramiko
from paramiko.ssh_exception import PasswordRequiredException

from runbook_lib import inventory
from runbook_lib.errors import HostKeyUnknown, HostUnreachable, LoginRefused
from runbook_lib.remote import hostkeys

CONNECT_TIMEOUT_S = 15.0  # TCP, for all addresses of a name together
HANDSHAKE_TIMEOUT_S = 10.0  # banner and key exchange, each
LOGIN_TIMEOUT_S = 30.0  # one key; PAM on the host may ask a slow directory
AGENT_TIMEOUT_S = 5.0
KEEPALIVE_S = 15

# What paramiko 5 still offers and no server of today needs: CBC, 3DES, MD5, SHA-1 and cut MACs.
_WEAK = {
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-sha1", "hmac-sha1-96", "hmac-md5", "hmac-md5-96"],
}
# The transport's thread logs tracebacks; every failure reaches the caller as an error of ours.
_LOGGER = "runbook_lib.remote.transport"
logging.getLogger(_LOGGER).addHandler(logging.NullHandler())
logging.getLogger(_LOGGER).propagate = False


def open_transport(site: inventory.Site, host: inventory.Host) -> paramiko.Transport:
    """Connect, check the host key, log in.

    Raises:
        HostUnreachable: no name, no route, refused, too slow, or not an SSH server.
        HostKeyUnknown, HostKeyChanged, HostKeyRevoked: the key the host shows is not the known one.
        LoginRefused: the host does not take the user with any key that may be tried.
    """
    if host.jump:
        raise HostUnreachable(
            f"hosts.{host.name}.jump names {host.jump}, and no connection is made through another host yet",
            host.name,
            "work from a machine that reaches the host directly, and take jump out",
        )
    known_hosts = Path(site.known_hosts).expanduser()
    try:
        known = hostkeys.KnownHosts.read(known_hosts)
    except OSError as error:
        raise HostKeyUnknown(
            f"{known_hosts} cannot be read: {error.strerror}", host.name, "make it a file that you can read"
        ) from None
    names = hostkeys.names_of(host.address, host.port, host.name)
    types = list(dict.fromkeys(key.key_type for key, _ in known.keys_of(names)))
    if not types:
        raise hostkeys.unknown(known, names, _keys_shown(host), host.name)
    try:
        transport = _negotiate(host, types)
    except paramiko.ssh_exception.IncompatiblePeer as error:
        # The host shows only other types of key, or the two have nothing else in common.
        shown = _keys_shown(host)
        if any(key.key_type in types for key in shown):
            raise _no_ssh(host, error) from None
        raise hostkeys.changed(known, names, shown, host.name) from None
    try:
        hostkeys.check(known, names, hostkeys.shown_key(transport.get_remote_server_key()), host.name)
        _log_in(transport, host)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(KEEPALIVE_S)
    return transport


def _negotiate(host: inventory.Host, types: list[str]) -> paramiko.Transport:
    """Key exchange with a host that may prove only keys of `types`; nobody is logged in yet."""
    wanted = {algorithm for key_type in types for algorithm in hostkeys.ALGORITHMS[key_type]}
    others = [name for names in hostkeys.ALGORITHMS.values() for name in names if name not in wanted]
    connection = _tcp(host)
    transport = paramiko.Transport(connection, disabled_algorithms={**_WEAK, "keys": others})
    transport.set_log_channel(_LOGGER)
    transport.banner_timeout = transport.handshake_timeout = HANDSHAKE_TIMEOUT_S
    transport.auth_timeout = LOGIN_TIMEOUT_S
    try:
        transport.start_client(timeout=2 * HANDSHAKE_TIMEOUT_S)
        transport.get_remote_server_key()  # start_client returns without a word when its time is over
    except paramiko.ssh_exception.IncompatiblePeer:
        connection.close()
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.close()
        connection.close()
        raise _no_ssh(host, error) from None
    return transport


def _tcp(host: inventory.Host) -> socket.socket:
    """A connected socket that sends small packets at once and notices a dead peer."""
    try:
        connection = socket.create_connection((host.address, host.port), CONNECT_TIMEOUT_S)
    except socket.gaierror as error:
        raise HostUnreachable(
            f"the name {host.address} has no address ({error.strerror})",
            host.name,
            f"correct hosts.{host.name}.address in the inventory, or the DNS",
        ) from None
    except TimeoutError:
        raise HostUnreachable(
            f"{host.address} port {host.port} does not answer within {CONNECT_TIMEOUT_S:g} s",
            host.name,
            "see whether the host is up, and whether a firewall on the way drops the connection",
        ) from None
    except OSError as error:
        raise HostUnreachable(
            f"{host.address} port {host.port}: {error.strerror or error}",
            host.name,
            "see whether the host is up, sshd listens on this port and the address is right",
        ) from None
    # Without TCP_NODELAY each command waits for a delayed acknowledgement: 40 ms instead of 2.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Linux has all four; elsewhere the system's own rhythm applies. The last one is in milliseconds and also
    # ends a write that the peer no longer takes.
    options = {"TCP_KEEPIDLE": KEEPALIVE_S, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 35_000}
    for name, value in options.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection


def _no_ssh(host: inventory.Host, error: Exception) -> HostUnreachable:
    return HostUnreachable(
        f"{host.address} port {host.port} takes the connection, but no SSH session comes about "
        f"({str(error).strip() or type(error).__name__})",
        host.name,
        f"try `ssh -v -p {host.port} {host.user}@{host.address}`: sshd may be starting, full or very old",
    )


def _keys_shown(host: inventory.Host) -> list[hostkeys.HostKey]:
    """The host keys of each type that a host shows, asked for as ssh-keyscan does; only told to a person."""
    shown: dict[hostkeys.HostKey, None] = {}
    for key_type in hostkeys.ALGORITHMS:
        try:
            transport = _negotiate(host, [key_type])
        except paramiko.ssh_exception.IncompatiblePeer:
            continue  # it has no key of this type
        key = hostkeys.shown_key(transport.get_remote_server_key())
        transport.close()
        shown[key] = None
    return list(shown)


def _log_in(transport: paramiko.Transport, host: inventory.Host) -> None:
    """Offer the inventory's key, or without one the agent's and the default keys; raise LoginRefused."""
    tried: list[str] = []
    with closing(_identities(host)) as identities:
        for label, key in identities:
            tried.append(label)
            try:
                missing = transport.auth_publickey(host.user, key)
            except paramiko.SSHException as error:
                if transport.is_active():
                    continue
                raise LoginRefused(
                    f"the host ends the login of {host.user} ({error}); offered: {', '.join(tried)}",
                    host.name,
                    f"name the one right key as hosts.{host.name}.key: sshd counts each key as a try",
                ) from None
            if not missing:
                return
            raise LoginRefused(
                f"the host takes the key and then asks {host.user} for more: {', '.join(missing)}",
                host.name,
                f"let a key be enough for {host.user} (AuthenticationMethods in sshd_config)",
            )
    raise LoginRefused(
        f"the host refuses {host.user}; offered: {', '.join(tried) or 'nothing, since no key was found'}",
        host.name,
        f"put the public key into ~{host.user}/.ssh/authorized_keys on the host, or correct user and key in "
        "the inventory",
    )


def _identities(host: inventory.Host) -> Generator[tuple[str, paramiko.PKey]]:
    """The keys to offer, in order, each with a name for messages."""
    if host.key:
        yield from _file_identities(Path(host.key).expanduser(), host)
        return
    with _agent_keys() as keys:
        for key in keys:
            yield f"the agent's {key.comment or key.get_name()}", key
    for name in ("id_ed25519", "id_ecdsa", "id_rsa"):
        path = Path("~/.ssh", name).expanduser()
        if path.exists():
            yield from _file_identities(path, host)


def _file_identities(path: Path, host: inventory.Host) -> Generator[tuple[str, paramiko.PKey]]:
    """The certificate beside a key first, then the key alone; an encrypted key is taken from the agent."""
    certificate = path.with_name(path.name + "-cert.pub")
    try:
        if certificate.exists():
            certified = _read_key(path)
            certified.load_certificate(str(certificate))
            yield str(certificate), certified
        yield str(path), _read_key(path)
    except PasswordRequiredException:
        with _agent_keys() as keys:
            yield f"the agent's {path}", _counterpart(path, keys, host)
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise LoginRefused(
            f"the key {path} cannot be read: {getattr(error, 'strerror', None) or error}",
            host.name,
            f"correct hosts.{host.name}.key in the inventory, or put the private key there (OpenSSH or PEM)",
        ) from None


def _read_key(path: Path) -> paramiko.PKey:
    """A private key without the certificate beside it, which `PKey.from_path` would load."""
    wrong: Exception | None = None
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key_file(str(path))
        except PasswordRequiredException:
            raise
        except (paramiko.SSHException, ValueError, IndexError) as error:
            wrong = error
    raise paramiko.SSHException(f"neither Ed25519, ECDSA nor RSA ({wrong})")


@contextmanager
def _agent_keys() -> Iterator[tuple[paramiko.AgentKey, ...]]:
    """The agent's keys; none where no agent runs, or where one does not answer (a forwarded one may hang)."""
    agents: queue.SimpleQueue[paramiko.Agent | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            agents.put(paramiko.Agent())
        except (paramiko.SSHException, OSError):
            agents.put(None)

    threading.Thread(target=ask, daemon=True).start()
    try:
        agent = agents.get(timeout=AGENT_TIMEOUT_S)
    except queue.Empty:
        agent = None
    if agent is None:
        yield ()
        return
    try:
        yield agent.get_keys()
    finally:
        agent.close()


def _counterpart(path: Path, keys: tuple[paramiko.AgentKey, ...], host: inventory.Host) -> paramiko.PKey:
    """The agent's copy of an encrypted key file, found by the public key beside the file."""
    public = path.with_name(path.name + ".pub")
    wanted = public.read_text().split()[1:2] if public.exists() else []
    for key in keys:
        if [key.get_base64()] == wanted:
            return key
    raise LoginRefused(
        f"the key {path} is encrypted, and no agent holds it",
        host.name,
        f"ssh-add {path} (the agent's copy is found by {public})",
    )
