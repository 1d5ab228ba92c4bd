"""A mail server whose port 25 has a certificate already, as its administrator, a renewal program or a pin left it.

Stand-ins, since a public CA cannot be asked from a lab: a test root in a copy of this machine's public roots, and the
files of certbot, acme.sh, lego and certmonger in the places and words in which those programs leave them.
"""

import contextlib
import smtplib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import probes_certificates
import pytest
from probes_certificates import Pair

from lab import Lab

NAMES = ("mail12.example.test", "pop12.example.test")
PLACE = "/etc/ssl/postfix"
ENTRIES = "postconf -n | grep -E '^smtpd_tls_(chain|cert|key|eccert|eckey)'"


def install(lab: Lab, host: str, pair: Pair, *chain: Pair, place: str = PLACE) -> str:
    """Give port 25 a certificate by main.cf's cert_file and key_file; the path of the certificate."""
    files = {"cert.pem": "".join(one.pem for one in (pair, *chain)), "key.pem": pair.key_pem}
    lab.exec(
        host, f"mkdir -p {place}; cd {place}; umask 077\n" + "\n".join(map(written, files, files.values()))
    )
    use(lab, host, f"{place}/cert.pem", f"{place}/key.pem")
    return f"{place}/cert.pem"


def use(lab: Lab, host: str, certificate: str, key: str) -> None:
    """Let main.cf name these files, and wait until no smtpd is left that knows others (they end when they are idle)."""
    lab.exec(
        host,
        f"""
        old=$(pgrep -x smtpd || :)
        postconf -e smtpd_tls_cert_file={certificate} smtpd_tls_key_file={key}
        postfix reload 2>/dev/null
        for process in $old; do
          n=0
          while [ "$(cat "/proc/$process/comm" 2>/dev/null)" = smtpd ]; do
            n=$((n + 1)); test $n -lt 100; sleep 0.1
          done
        done
        """,
    )


def written(name: str, content: str) -> str:
    """The shell lines that write a file."""
    return f"cat > '{name}' <<'END'\n{content}END\n"


@contextlib.contextmanager
def trusted(root: Pair, folder: Path) -> Iterator[None]:
    """This machine trusts a test root beside its public ones, as if it were one of them."""
    bundle = folder / "public-roots.pem"
    public = ssl.get_default_verify_paths().cafile
    assert public is not None
    bundle.write_text(Path(public).read_text(encoding="utf-8") + root.pem, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(bundle))
        yield


def shown(address: str, port: int) -> bytes:
    """The certificate (DER) that a port shows."""
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    if port == 465:
        talk: smtplib.SMTP = smtplib.SMTP_SSL(address, port, timeout=30, context=blind)
    else:
        talk = smtplib.SMTP(address, port, timeout=30)
        talk.starttls(context=blind)
    with talk:
        assert isinstance(talk.sock, ssl.SSLSocket)
        found = talk.sock.getpeercert(binary_form=True)
    assert found is not None
    return found


def der(pair: Pair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair.pem)


@contextlib.contextmanager
def policy_of_domain(lab: Lab, text: str, certificate: Pair, folder: Path) -> Iterator[None]:
    """A web server of the lab hands out the MTA-STS policy of example.test, and the DNS announces it.

    It listens on the controller's own address in the lab's network, in the place of the site's web server.
    """
    chain = folder / "web-server.pem"
    chain.write_text(certificate.key_pem + certificate.pem, encoding="utf-8")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/.well-known/mta-sts.txt" and self.headers["Host"] == "mta-sts.example.test"
            body = text.encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    address = lab.network.gateway4
    records = (
        'txt-record=_mta-sts.example.test,"v=STSv1; id=20260101"',
        f"host-record=mta-sts.example.test,{address}",
    )
    with lab.also_in_dns(*records), ThreadingHTTPServer((address, 443), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


PUBLIC_ROOT = probes_certificates.make("A public root (test)")
PUBLIC_INTERMEDIATE = probes_certificates.make("A public intermediate (test)", PUBLIC_ROOT)
PUBLIC = probes_certificates.make(NAMES[0], PUBLIC_INTERMEDIATE, NAMES)
PRIVATE_ROOT = probes_certificates.make("A private root (test)")
PRIVATE = probes_certificates.make(NAMES[0], PRIVATE_ROOT, NAMES)


def pem(der_bytes: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(der_bytes).encode()


def by_certbot(lab: Lab, host: str, number: int, pair: Pair, *chain: Pair, taken_up: bool = True) -> None:
    """What `certbot certonly` leaves, or its renewal: numbered files, links to the newest, the renewal's settings.

    Args:
        taken_up: Postfix is reloaded, as a deploy hook does.
    """
    live, archive = "/etc/letsencrypt/live/mail", "/etc/letsencrypt/archive/mail"
    further = "".join(one.pem for one in chain)
    files = {"cert": pair.pem, "chain": further, "fullchain": pair.pem + further, "privkey": pair.key_pem}
    settings = [
        f"archive_dir = {archive}",
        *(f"{name} = {live}/{name}.pem" for name in files),
        "[renewalparams]",
    ]
    lines = [f"mkdir -p {live} {archive} /etc/letsencrypt/renewal", "umask 077"]
    for name, content in files.items():
        lines.append(written(f"{archive}/{name}{number}.pem", content))
        lines.append(f"ln -sf ../../archive/mail/{name}{number}.pem {live}/{name}.pem")
    lines.append(written("/etc/letsencrypt/renewal/mail.conf", "".join(f"{line}\n" for line in settings)))
    lab.exec(host, "\n".join(lines))
    if taken_up:
        use(lab, host, f"{live}/fullchain.pem", f"{live}/privkey.pem")
