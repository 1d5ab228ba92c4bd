"""Targets: what SSH on this machine says and holds: its configuration, keys of files and of an agent, known hosts."""

import base64
import contextlib
import functools
import socket
import struct
import threading
from pathlib import Path
from unittest import mock

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hostile import Target, check_texts
from hostile_host import folder, written
from hostile_inputs import bent, encoded, evil, mostly, numbers, words
from hostile_mail import host
from hypothesis import strategies as st

from runbook_lib.remote import agent, identities, route, ssh_config
from runbook_lib.remote.hostkeys import HostKey, KnownHosts, check

_CERTAIN = "hostname mx.example.test\nport 22\nuser ops\n"


def take_ssh_config(content: bytes) -> bool:
    """What `ssh -G` printed, of the host and of each jump alike: a way of hops that can be gone, or one refusal."""
    said = content.decode("utf-8", "surrogateescape").split("\n")

    def ask(destination: str, where: str, *_: object) -> ssh_config.Settings:
        return ssh_config.read(content, destination, where)

    book, ours = host()
    with mock.patch.object(ssh_config, "ask", ask):
        way = route.to(book.site, ours)
    for hop in way:
        assert 1 <= hop.port <= 65535
        assert f"hostname {hop.address}" in said
        assert f"user {hop.user}" in said
        given = [line.removeprefix("identityfile ") for line in said if line.startswith("identityfile ")]
        given = [value for value in given if value.lower() != "none"]
        assert len(hop.settings.identity_files) == len(given)
        plain = {Path(value) for value in given if value.startswith("/") and "%" not in value}
        assert plain <= set(hop.settings.identity_files)
        assert all("\0" not in str(path) for path in (*hop.settings.identity_files, *hop.known_hosts))
        check_texts((str(hop), hop.where, hop.destination, *hop.names))
    return True


def _hop(*files: Path, key: Path | None = None, socket_of: Path | None = None) -> route.Hop:
    settings = ssh_config.read(_CERTAIN.encode(), "mx", "mail1")
    settings = ssh_config.Settings(**{**vars(settings), "identity_files": files, "agent": socket_of})
    return route.Hop("mail1", "mx", "mx", 22, "ops", key, "hosts.mail1.key", settings, ("mx",), ())


_SEPARATOR = b"\x1e\x1e"


def take_key_file(content: bytes) -> bool:
    """A private key, its public half and a certificate, as files: taken, or refused; passed over where ssh does so."""
    key, public, certificate = (*content.split(_SEPARATOR, 2), b"", b"")[:3]
    path = written("ssh/id", key)
    written("ssh/id.pub", public)
    written("ssh/id-cert.pub", certificate)
    if not certificate:
        path.with_name("id-cert.pub").unlink()
    offered, over = dict(identities.of(_hop(path))), identities.passed_over(_hop(path))
    check_texts((*offered, over))
    assert offered or over or not key or key.startswith((b"ssh-", b"ecdsa-sha2-", b"sk-"))
    named = dict(identities.of(_hop(key=path)))
    assert named.keys() == offered.keys()
    assert (f"{path}-cert.pub" in named) == bool(certificate and not identities.passed_over(_hop(key=path)))
    return True


@functools.cache
def _answering() -> tuple[Path, list[bytes]]:
    """The stand-in for an agent: a socket behind which these bytes are the answer."""
    path, says = folder() / "agent", [b""]
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def answer() -> None:
        while True:
            with server.accept()[0] as asking, contextlib.suppress(OSError):
                asking.recv(5)
                asking.sendall(says[0])

    threading.Thread(target=answer, daemon=True).start()
    return path, says


def take_agent(content: bytes) -> bool:
    """What an agent answers when it is asked for its keys: those that can be read, and a word about the others."""
    path, says = _answering()
    says[0] = content
    with agent.held(path) as held:
        check_texts((*held.told, *(key.comment for key in held.keys)))
        assert all(key.blob in content for key in held.keys)
    told = dict(identities.of(_hop(socket_of=path)))
    check_texts((*told, identities.passed_over(_hop(socket_of=path))))
    assert len(told) <= len(held.keys)
    return bool(held.keys)


def take_known_hosts(content: bytes) -> bool:
    """A key is taken only where the file has that very key for the name, and revokes it nowhere."""
    known_hosts = KnownHosts.read(written("known_hosts", content))
    shown = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(32))
    check(known_hosts, ("mail1.example.test", "192.0.2.25"), shown, "mail1")
    assert shown.line.split()[-1].encode() in content
    return True


_word = st.one_of(words, evil)
_path = st.one_of(
    st.sampled_from(
        ("~/.ssh/id", "/a b/c", "none", "~nobody-here/id", "%d/%n_%r_%p", "%", "~", "/" + "x" * 300)
    ),
    _word,
)
_jump = st.one_of(
    st.sampled_from(
        ("none", "ops@gw:2222", "gw,ops@gw2", "ssh://a@[::1]:22/", "gw:99999", "-oX@gw", "@", ",", "a:²")
    ),
    _word,
)
_line = st.one_of(
    st.builds(
        "{} {}".format,
        st.sampled_from(
            ("identityfile", "userknownhostsfile", "globalknownhostsfile", "identityagent", "revokedhostkeys")
        ),
        _path,
    ),
    st.builds("proxyjump {}".format, _jump),
    st.builds(
        "{} {}".format,
        st.sampled_from(("identitiesonly", "proxycommand", "hostkeyalias", "hostname", "user", "x", "")),
        st.one_of(st.sampled_from(("yes", "none", "nc %h %p", "key-of-%n", "$X")), _word),
    ),
    st.builds("port {}".format, numbers),
)  # fmt: skip
_configurations = st.builds(
    lambda certain, lines: encoded(certain + "\n".join(lines)),
    mostly(_CERTAIN, st.sampled_from(("", "port 22\nuser a\n", "hostname none\nport 65536\nuser a\n"))),
    st.lists(_line, max_size=5),
)


def _rsa() -> rsa.RSAPrivateKey:
    """The same small key each time, of two known primes, so that what was found stays found."""
    p, q, e = 2**521 - 1, 2**607 - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    parts = (p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(*parts, rsa.RSAPublicNumbers(e, p * q)).private_key()


@functools.cache
def _keys() -> tuple[bytes, ...]:
    """Private keys and their public halves, with the separator between them, in each form that there is."""
    kinds = (
        ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
        ec.derive_private_key(2013, ec.SECP256R1()),
        _rsa(),
    )
    made = []
    for key in kinds:
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        for form in (PrivateFormat.OpenSSH, PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            if form is PrivateFormat.TraditionalOpenSSL and isinstance(key, ed25519.Ed25519PrivateKey):
                continue
            made.append(key.private_bytes(Encoding.PEM, form, NoEncryption()) + _SEPARATOR + public)
    pem, _, half = made[-1].partition(b"\n")
    made.append(
        pem + b"\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n" + half
    )
    return tuple(made)


def _string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _certificate(name: str, rest: bytes) -> bytes:
    kind = f"{name}-cert-v01@openssh.com".encode()
    return kind + b" " + base64.b64encode(_string(kind) + rest) + b" caf\xe9"


_with_certificates = st.builds(
    lambda files, certificate: files + _SEPARATOR + certificate,
    st.deferred(lambda: st.sampled_from(_keys())),
    st.one_of(
        st.just(b""),
        st.builds(
            _certificate, st.sampled_from(("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", "x")), st.binary()
        ),
        _word.map(encoded),
    ),
)
_blobs = st.one_of(
    st.deferred(lambda: st.sampled_from([_blob(files) for files in _keys()])),
    st.builds(lambda name, rest: _string(encoded(name)) + rest, _word, st.binary(max_size=9)),
)


def _blob(files: bytes) -> bytes:
    return base64.b64decode(files.partition(_SEPARATOR)[2].split()[1])


_agents = st.builds(
    lambda kind, pairs: _string(
        struct.pack(">BI", kind, len(pairs))
        + b"".join(_string(blob) + _string(encoded(told)) for blob, told in pairs)
    ),
    st.sampled_from((12, 12, 12, 5)),
    st.lists(st.tuples(st.one_of(_blobs, bent(_blobs)), _word), max_size=3),
)
_known_hosts_line = st.builds(
    "{}{} {} {}".format,
    st.sampled_from(("", "", "@revoked ", "@cert-authority ", "@x ")),
    st.one_of(st.sampled_from(("mail1.example.test", "*", "!mail1*,*", "|1|AAAA|AAAA", "|1||", "[mail1]:22")), words),
    st.sampled_from(("ssh-ed25519", "ssh-rsa", "x")),
    st.one_of(st.just("AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), words),
)  # fmt: skip

_known_hosts = st.lists(_known_hosts_line, max_size=4).map(lambda lines: encoded("\n".join(lines)))

TARGETS = (
    Target("ssh-config", take_ssh_config, st.one_of(_configurations, bent(_configurations))),
    Target("key-file", take_key_file, st.one_of(_with_certificates, bent(_with_certificates))),
    Target("agent", take_agent, st.one_of(_agents, bent(_agents))),
    Target("known-hosts", take_known_hosts, _known_hosts),
)
