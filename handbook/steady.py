"""What differs from run to run is set to fixed values, here alone, so that a line still reads as a real one."""

import re
from datetime import date

_FIXED = tuple(
    (re.compile(pattern, re.MULTILINE), put)
    for pattern, put in (
        # journald: when, and which process
        (r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?=\S+ \S+: )", "Jan 15 09:30:00 "),
        (r"(?<=\w)\[\d+\](?=: )", "[4711]"),
        (r"(?<=\bpid )\d+", "4711"),
        # Postfix: the name of a message in the queue, and how long it took
        (r"(?<=\]: )[0-9A-F]{6,15}(?=: )|(?<=queued as )[0-9A-F]{6,15}\b", "4C0FFEE421"),
        (r"(?<=\bdelay=)[\d.]+|(?<=\bdelays=)[\d./]+", "0.1"),
        # ... and what a client sent first, where that was TLS: random bytes behind the version
        (r"(?<=: \\026\\003\\001).*", "…"),
        # ... and on which line a setting stands: postconf -e writes new ones in the order of its hash
        (r"(?<=/main\.cf, line )\d+", "49"),
        # OpenSSL: a thread, and the line of its source, which a security update moves
        (r"^[0-9A-F]{12,16}(?=:error:)", "40C7A5E27F7F0000"),
        (r"(?<=\.c:)\d+(?=[:)])", "100"),
        # Debian's patch of Postfix, which a security update moves
        (r"(?<=\b3\.7\.)\d+", "11"),
        # whose seal it is, and what was sealed, where nobody signed it
        (r"^Seal: \S+$", "Seal: controller-kanri:1:5ea1…"),
        # which commit a plan is of, and whether something beside it was changed
        (r"(?<=, commit )[0-9a-f]{40}(?: and more)?", "c0de…"),
        # how long a chapter took
        (r"(?<=, )\d+\.\d(?= s$)", "2.0"),
        # somebody's public key
        (r"(?<=ssh-ed25519 )AAAA\S+", "AAAA…"),
        # how often mail was asked for while a chapter was at work
        (r"(?<=: asked )\d+(?= times)", "200"),
        (r"(?<=longest gap )[\d.]+(?= s)", "1.0"),
        # the time of day
        (r"(?<=\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(\.\d+)?", "T09:30:00"),
        (r"(?<=\d{4}-\d\d-\d\d) \d\d:\d\d(?= UTC)", " 09:30"),
        # which network the lab has
        (r"\b10\.77\.\d+\.(?=\d)", "10.77.1."),
        (r"\bfd77:\d+::", "fd77:1::"),
    )
)


def steady(text: str) -> str:
    """Lines of a log or of a program, with the same times, processes, queue ids and addresses at each run."""
    text = text.replace("\r\n", "\n")
    for pattern, put in _FIXED:
        text = pattern.sub(put, text)
    return text


DAY = date(2027, 1, 15)  # that of every run; other days stay as far from it as they were from the true one
_KINDS = {
    "run": r"\b\d{8}T\d{6}Z-[0-9a-f]{4}\b",
    "fingerprint": r"\b(?:[0-9A-F]{2}:){31}[0-9A-F]{2}\b",
    "serial": r"\b[0-9A-F]{30,34}\b",
    "digest": r"\b[0-9a-f]{64}\b|\b[0-9a-f]{16}\b",  # whole, or its beginning
    "key": r"\bSHA256:[A-Za-z0-9+/]{43}",
}
_NAMED = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))
_BEGINNING = 16  # digits of a digest by which it is known
_SHIFTED = re.compile(r"\b20\d\d-(?:0\d|1[0-2])-[0-3]\d")


class StandIns:
    """What is another at each run: runs, serials, keys, digests, told apart by the order they come in; and days.

    Each kind keeps its length, so that columns stay where they are.
    """

    def __init__(self, today: date) -> None:
        self._shift = DAY - today
        self._known: dict[str, list[str]] = {kind: [] for kind in _KINDS}

    def put(self, text: str) -> str:
        """As `steady`, with these put in."""
        return steady(_SHIFTED.sub(self._day, _NAMED.sub(self._name, text)))

    def _name(self, found: re.Match[str]) -> str:
        kind, name = str(found.lastgroup), found[0]
        known, key = self._known[kind], name[:_BEGINNING] if kind == "digest" else name
        if key not in known:
            known.append(key)
        return self._new(kind, 1 + known.index(key), len(name))

    def _new(self, kind: str, number: int, length: int) -> str:
        match kind:
            case "run":
                return f"{DAY:%Y%m%d}T09{number:02}00Z-c0de"
            case "fingerprint":
                return ":".join(["C0", "FF", "EE", *["00"] * 28, f"{number:02}"])
            case "digest":
                return f"5ea1{number:0{length - 4}}"
            case "key":
                return f"SHA256:{number:0{length - 7}}"
        return f"C0FFEE{number:0{length - 6}}"

    def _day(self, found: re.Match[str]) -> str:
        try:
            return str(date.fromisoformat(found[0]) + self._shift)
        except ValueError:  # no day of the calendar
            return found[0]
