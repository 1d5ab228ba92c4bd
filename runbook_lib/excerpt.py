"""What a command said, as messages and records keep it: its head and its tail, the length of the whole, its digest."""

import hashlib

from runbook_lib import credentials, display

_HEAD_LINES, _TAIL_LINES = 3, 7
_LINE_HEAD, _LINE_TAIL = 200, 100
# Of each end: what is shown is a few lines of it, and to look for secrets in all forms takes a second a megabyte.
_END_BYTES = 256 * 1024
_CUT_CHARACTERS = 4096  # where an end was cut, half a secret may stand


def excerpt(output: bytes, whole: str = "all of it") -> str:
    r"""All of a short output; of a longer one the ends, and between them how much is left out and what the whole is.

    The digest is that of the bytes, as `sha256sum` on the host says it; none where a secret stands among them, since
    it would let somebody try which one.

    Args:
        output: in any encoding.
        whole: what these bytes are of what was written.
    Returns: lines without a last line end; secrets masked, bytes that are not UTF-8 as \xNN.
    """
    masked, is_clear = _without_secrets(output)
    lines = masked.rstrip("\n").split("\n")
    shown = [*lines[:_HEAD_LINES], *lines[-_TAIL_LINES:]] if len(lines) > _HEAD_LINES + _TAIL_LINES else lines
    short = [_shortened(line) for line in shown]
    if short == lines:
        return "\n".join(lines)
    digest = f"SHA-256 {hashlib.sha256(output).hexdigest()}" if is_clear else "a secret among them"
    left = output.rstrip(b"\n").count(b"\n") + 1 - len(short)
    cut = f"[{left:,} lines left out; " if left else "[long lines cut; "
    return "\n".join(
        [*short[:_HEAD_LINES], f"{cut}{whole}: {len(output):,} bytes, {digest}]", *short[_HEAD_LINES:]]
    )


def _without_secrets(output: bytes) -> tuple[str, bool]:
    """The text, or its two ends with `…` between them, with secrets masked; and whether there was none."""
    if len(output) <= 2 * _END_BYTES:
        told = display.escape_bytes(output)
        masked = credentials.mask(told)
        return masked, masked == told
    ends = [display.escape_bytes(end) for end in (output[:_END_BYTES], output[-_END_BYTES:])]
    head, tail = map(credentials.mask, ends)
    is_clear = [head, tail] == ends and not any(
        secret.reveal().encode() in output for secret in credentials.resolved()
    )
    return f"{head[:-_CUT_CHARACTERS]} … {tail[_CUT_CHARACTERS:]}", is_clear


def _shortened(line: str) -> str:
    if len(line) <= _LINE_HEAD + _LINE_TAIL:
        return line
    return f"{line[:_LINE_HEAD]} … {line[-_LINE_TAIL:]}"
