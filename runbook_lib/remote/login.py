"""A logged-in SSH connection, hop by hop: strict host key at each, the one key that was named first and only.

paramiko's `SSHClient` is not used: it offers a certificate without the plain key beside it, tries each file
as every kind of key, and takes the first key type of known_hosts alone.
"""

import logging
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import paramiko

from runbook_lib import display
from runbook_lib.errors import HostKeyRevoked, HostKeyUnknown, HostUnreachable, LoginRefused
from runbook_lib.messages import message
from runbook_lib.remote import hostkeys, identities, reach
from runbook_lib.remote.route import Hop

HANDSHAKE_TIMEOUT_S = 10.0  # banner and key exchange, each
LOGIN_TIMEOUT_S = 30.0  # one key; PAM on the host may ask a slow directory

# What paramiko 5 still offers and no server of today needs: CBC, 3DES, MD5, SHA-1 and cut MACs.
_WEAK = {
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-sha1", "hmac-sha1-96", "hmac-md5", "hmac-md5-96"],
}
# The transport's thread logs tracebacks; every failure reaches the caller as an error of ours.
_LOGGER = "runbook_lib.remote.transport"
logging.getLogger(_LOGGER).addHandler(logging.NullHandler())
logging.getLogger(_LOGGER).propagate = False

_BANNER_CHARACTERS_MAX = 500
_KRL = b"SSHKRL\n\0"  # how a key revocation list begins (OpenSSH's PROTOCOL.krl)

Reach = Callable[[], reach.Stream]  # a new stream to the machine


def open_transport(way: Sequence[Hop]) -> paramiko.Transport:
    """Connect to the last of the way, through those before it; at each its host key is checked, then logged in.

    Returns: the connection, which `close` ends together with those that it goes through.
    Raises:
        HostUnreachable: no name, no route, refused, too slow, or not an SSH server.
        HostKeyUnknown, HostKeyChanged, HostKeyRevoked: the key that a machine shows is not the known one.
        LoginRefused: a machine does not take the user with any key that may be tried.
    """
    transport: paramiko.Transport | None = None
    try:
        for hop in way:
            transport = _next(hop, transport)
    except BaseException:
        close(transport)
        raise
    assert transport is not None
    return transport


def close(transport: paramiko.Transport | None) -> None:
    """End a connection and those that it goes through."""
    while transport is not None:
        below = transport.sock
        transport.close()
        transport = below.get_transport() if isinstance(below, paramiko.Channel) else None


def _next(hop: Hop, before: paramiko.Transport | None) -> paramiko.Transport:
    """The connection to one machine, over the one to the machine before it."""
    try:
        known = hostkeys.KnownHosts.read(*hop.known_hosts)
    except OSError as error:
        raise HostKeyUnknown(
            message("{file} cannot be read: {reason}", file=error.filename, reason=error.strerror),
            hop.where,
            message("make it a file that you can read"),
        ) from None

    def connect() -> reach.Stream:
        return reach.stream(hop, before)

    types = list(dict.fromkeys(key.key_type for key, _ in known.keys_of(hop.names)))
    if not types:
        raise hostkeys.unknown(known, hop.names, _keys_shown(hop, connect), hop.where)
    try:
        transport = _negotiate(hop, connect, types)
    except paramiko.ssh_exception.IncompatiblePeer as error:
        # The host shows only other types of key, or the two have nothing else in common.
        shown = _keys_shown(hop, connect)
        if any(key.key_type in types for key in shown):
            raise _no_ssh(hop, error) from None
        raise hostkeys.changed(known, hop.names, shown, hop.where) from None
    try:
        shown_key = hostkeys.shown_key(transport.get_remote_server_key())
        hostkeys.check(known, hop.names, shown_key, hop.where)
        if hop.settings.revoked is not None:
            _refuse_revoked(hop.settings.revoked, shown_key, hop)
        _log_in(transport, hop)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(reach.KEEPALIVE_S)
    return transport


def _negotiate(hop: Hop, connect: Reach, types: list[str]) -> paramiko.Transport:
    """Key exchange with a host that may prove only keys of `types`; nobody is logged in yet."""
    wanted = {algorithm for key_type in types for algorithm in hostkeys.ALGORITHMS[key_type]}
    others = [name for names in hostkeys.ALGORITHMS.values() for name in names if name not in wanted]
    connection = connect()
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
        raise _no_ssh(hop, error) from None
    return transport


def _no_ssh(hop: Hop, error: Exception) -> HostUnreachable:
    why = str(error).strip() or type(error).__name__
    if hop.settings.proxy_command:
        return HostUnreachable(
            message(
                "no SSH session comes about through the ProxyCommand `{command}` ({why})",
                command=hop.settings.proxy_command,
                why=why,
            ),
            hop.where,
            message(
                "try `ssh -v {destination}`: the command is that of ~/.ssh/config",
                destination=hop.destination,
            ),
        )
    return HostUnreachable(
        message(
            "{address} port {port} takes the connection, but no SSH session comes about ({why})",
            address=hop.address,
            port=hop.port,
            why=why,
        ),
        hop.where,
        message(
            "try `ssh -v -p {port} {user}@{destination}`: sshd may be starting, full or very old",
            port=hop.port,
            user=hop.user,
            destination=hop.destination,
        ),
    )


def _keys_shown(hop: Hop, connect: Reach) -> list[hostkeys.HostKey]:
    """The host keys of each type that a host shows, asked for as ssh-keyscan does; only told to a person."""
    shown: dict[hostkeys.HostKey, None] = {}
    for key_type in hostkeys.ALGORITHMS:
        try:
            transport = _negotiate(hop, connect, [key_type])
        except paramiko.ssh_exception.IncompatiblePeer:
            continue  # it has no key of this type
        key = hostkeys.shown_key(transport.get_remote_server_key())
        transport.close()
        shown[key] = None
    return list(shown)


def _refuse_revoked(revoked: Path, shown: hostkeys.HostKey, hop: Hop) -> None:
    """RevokedHostKeys of ssh_config(5): a list of keys or a KRL; one that cannot be read refuses all hosts."""
    try:
        content = revoked.read_bytes()
    except OSError as error:
        raise HostKeyRevoked(
            message(
                "{revoked} (RevokedHostKeys) cannot be read: {reason}, so no host key is taken",
                revoked=revoked,
                reason=error.strerror,
            ),
            hop.where,
            message("make it a file that you can read, or correct ~/.ssh/config"),
        ) from None
    if content.startswith(_KRL):
        asked = subprocess.run(
            ["ssh-keygen", "-Q", "-f", str(revoked), "/dev/stdin"],
            input=f"{shown.line}\n".encode(),
            capture_output=True,
            timeout=HANDSHAKE_TIMEOUT_S,
            check=False,
        )
        is_revoked = asked.returncode != 0
    else:
        is_revoked = any(line.split()[:2] == shown.line.encode().split() for line in content.splitlines())
    if is_revoked:
        raise HostKeyRevoked(
            message(
                "the host shows the key {shown}, which {revoked} (RevokedHostKeys) revokes",
                shown=shown,
                revoked=revoked,
            ),
            hop.where,
            message(
                "do not connect; give the host a new key at its console, then put that key into known_hosts"
            ),
        )


def _log_in(transport: paramiko.Transport, hop: Hop) -> None:
    """Offer the one key that was named, or without one the agent's and the files'; raise LoginRefused."""
    tried: list[str] = []
    with closing(identities.of(hop)) as offered:
        for label, key in offered:
            tried.append(label)
            try:
                missing = transport.auth_publickey(hop.user, key)
            except paramiko.SSHException as error:
                if transport.is_active():
                    continue
                raise _ended(transport, hop, error, tried) from None
            if not missing:
                return
            raise LoginRefused(
                message(
                    "the host takes the key and then asks {user} for more: {missing}",
                    user=hop.user,
                    missing=", ".join(missing),
                ),
                hop.where,
                message(
                    "let a key be enough for {user} (AuthenticationMethods in sshd_config)", user=hop.user
                ),
            )
    left = identities.passed_over(hop)
    raise LoginRefused(
        message(
            "the host refuses {user}; offered: {tried}{passed_over}{banner}",
            user=hop.user,
            tried=", ".join(tried) or message("nothing, since no key was found"),
            passed_over=message("; passed over: {left}", left=left) if left else "",
            banner=_banner(transport),
        ),
        hop.where,
        message(
            "put the public key into ~{user}/.ssh/authorized_keys on the host, or correct user and "
            "key in the inventory or ~/.ssh/config",
            user=hop.user,
        ),
    )


def _ended(
    transport: paramiko.Transport, hop: Hop, error: paramiko.SSHException, tried: Sequence[str]
) -> LoginRefused:
    """The refusal of a host that ends the connection during the login.

    Of one key it says that the key was right: sshd ends it then where PAM does not let the account in (auth2-pubkey.c,
    monitor.c). Of several, sshd may have counted them (MaxAuthTries).
    """
    said = _banner(transport)
    if said or len(tried) == 1:
        remedy = message(
            "as root on the host: `journalctl -u ssh -u sshd` says why {user} is not let in; an account that has "
            "expired is shown by `chage -l {user}` and goes on with `chage -E -1 {user}`",
            user=hop.user,
        )
    else:
        remedy = message("name the one right key as {key}: sshd counts each key as a try", key=hop.key_field)
    return LoginRefused(
        message(
            "the host ends the login of {user} ({error}); offered: {tried}{said}",
            user=hop.user,
            error=str(error),
            tried=", ".join(tried),
            said=said,
        ),
        hop.where,
        remedy,
    )


def _banner(transport: paramiko.Transport) -> str:
    """What sshd said during the login, its last lines (RFC 4252, 5.4); '' where it said nothing."""
    # get_banner() tells it of a living connection alone.
    banner: bytes | None = getattr(transport.auth_handler, "banner", None)
    text = display.escape_bytes(banner).strip() if banner else ""
    return message("; it said: {said}", said=text[-_BANNER_CHARACTERS_MAX:]) if text else ""
