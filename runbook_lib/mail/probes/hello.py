"""A TLS hello of a client that takes certificates of one kind alone, and the server's first answer to it.

Python's ssl cannot be told which signatures to take, so OpenSSL's own hello is written, its list of signature
algorithms is replaced, and it goes out as bytes. The handshake cannot be ended so, and need not be: a server that finds
no certificate for the list says so at once, in clear (RFC 5246, 7.4.1.4.1; RFC 8446, 4.2.3 and 4.4.2.2).
"""

import contextlib
import ssl
import struct
from collections.abc import Sequence

from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stage, Stopped
from runbook_lib.messages import message

# RFC 8446, 4.2.3, by the kind of key that can make the signature.
ALGORITHMS = {
    "RSA": (0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B, 0x0401, 0x0501, 0x0601),
    "EC": (0x0403, 0x0503, 0x0603),
}
_SIGNATURE_ALGORITHMS = 13
_ALERT, _HANDSHAKE, _SERVER_HELLO = 21, 22, 2
# The random bytes that make a ServerHello a request for another hello (RFC 8446, 4.1.3).
_ANOTHER_HELLO = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_ALERTS = {
    40: "handshake failure",
    47: "illegal parameter",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
}


def client_hello(context: ssl.SSLContext, server_name: str, algorithms: Sequence[int]) -> bytes:
    """The first record of a client.

    Args:
        context: which versions and groups it offers.
        server_name: whom it asks for.
        algorithms: the signatures that it takes, best first.
    """
    written = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), written, server_hostname=server_name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    record = written.read()
    at = 5 + 4 + 2 + 32  # headers of record and message, version, random
    at += 1 + record[at]  # session
    at += 2 + struct.unpack_from("!H", record, at)[0]  # ciphers
    at += 1 + record[at]  # compression
    before, extensions, rest = record[9:at], b"", record[at + 2 :]
    while rest:
        kind, size = struct.unpack_from("!HH", rest)
        value, rest = rest[4 : 4 + size], rest[4 + size :]
        if kind == _SIGNATURE_ALGORITHMS:
            value = struct.pack(f"!{1 + len(algorithms)}H", 2 * len(algorithms), *algorithms)
        extensions += struct.pack("!HH", kind, len(value)) + value
    body = before + struct.pack("!H", len(extensions)) + extensions
    hello = b"\x01" + len(body).to_bytes(3, "big") + body
    return record[:3] + struct.pack("!H", len(hello)) + hello


def wants_another(record: bytes) -> bool:
    """Whether the server asks for a hello with another group before it decides (RFC 8446, 4.1.4)."""
    return record[:1] == bytes([_HANDSHAKE]) and record[11:43] == _ANOTHER_HELLO


def check_accepted(record: bytes) -> None:
    """Read the first record of a server's answer.

    Raises: Stopped: it is no ServerHello.
    """
    stage = Stage.HANDSHAKE
    if len(record) >= 7 and record[0] == _ALERT:
        words = _ALERTS.get(record[6], f"alert {record[6]}")
        raise Stopped(
            Obstacle(stage, Kind.REFUSED, message("refused by the server ({reason})", reason=words))
        )
    if len(record) < 6 or (record[0], record[5]) != (_HANDSHAKE, _SERVER_HELLO):
        raise Stopped(Obstacle(stage, Kind.PLAIN_TEXT, message("the answer to a TLS hello is no TLS")))
