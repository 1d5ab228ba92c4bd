"""A time-stamping authority of one's own, on loopback: `openssl ts -reply` behind a small HTTP server."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_SETTINGS = """
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[signer]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = ts_of_test
[ts_of_test]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
certs = {folder}/root.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
_ONE_AT_A_TIME = threading.Lock()  # openssl reads and writes files of fixed names


@dataclass
class Authority:
    """An authority: its address, its root, and what it does.

    Args:
        answers: what it answers in place of a time-stamp; None: a time-stamp.
        asked: how often it was.
    """

    url: str
    root: Path
    answers: bytes | None = None
    asked: int = 0

    def reply(self, query: bytes) -> bytes:
        """A time-stamp, by the clock of this machine."""
        self.asked += 1
        if self.answers is not None:
            return self.answers
        with _ONE_AT_A_TIME:
            return self._made(query)

    def _made(self, query: bytes) -> bytes:
        folder = self.root.parent
        (folder / "query").write_bytes(query)
        words = ["openssl", "ts", "-reply", "-queryfile", "query", "-config", "settings", "-out", "reply"]
        subprocess.run(words, check=True, capture_output=True, cwd=folder)
        return (folder / "reply").read_bytes()


def _make(folder: Path, days: int) -> None:
    folder.mkdir()
    (folder / "settings").write_text(_SETTINGS.format(folder=folder))
    (folder / "serial").write_text("01\n")
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-config", "settings"]
    good = ["-days", str(days)]
    for words in (
        ["req", "-x509", *new, "-keyout", "root.key", "-out", "root.pem", *good, "-subj", "/CN=Root of time",
         "-extensions", "ca"],
        ["req", *new, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Authority of time"],
        ["x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", *good, "-out", "tsa.pem",
         "-extfile", "settings", "-extensions", "signer", "-set_serial", "2"],
    ):  # fmt: skip
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)


@contextmanager
def authority(folder: Path, days: int = 365) -> Iterator[Authority]:
    """An authority that answers until the end of the block.

    Args:
        folder: for what it has; a new one.
        days: how long its certificates are good.
    """
    _make(folder, days)
    serving: list[Authority] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            is_query = self.headers["Content-Type"] == "application/timestamp-query"
            content = serving[0].reply(query) if is_query else b""
            self.send_response(200 if is_query else 415)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing is said of what was asked."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.append(Authority(f"http://127.0.0.1:{server.server_port}/", folder / "root.pem"))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield serving[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
