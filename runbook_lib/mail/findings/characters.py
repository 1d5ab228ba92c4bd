"""Characters that nobody sees: line ends of another system, blanks that are none, comments that are none."""

from collections.abc import Iterator

from runbook_lib import display
from runbook_lib.inventory.place import MAIN_CF, MASTER_CF, Place
from runbook_lib.mail.findings.finding import Finding, Look
from runbook_lib.messages import message

_UNSEEN = {
    "\ufeff": message("a byte order mark"),
    "\u00a0": message("a no-break space"),
    "\u3000": message("an ideographic space"),
    "\u200b": message("a zero-width space"),
    **dict.fromkeys("\u201c\u201d\u2018\u2019", message("a typographic quotation mark")),
    "\u2013": message("a typographic dash"),
    "\uff0c": message("a full-width comma"),
    "\uff1d": message("a full-width equals sign"),
}
_CR = message(
    "its lines end in CR and LF, as an editor of another system writes them: Postfix takes the CR for white space, and "
    "what else reads the file may not"
)


_CR_INSIDE = message(
    "a carriage return stands in it, which nobody sees: Postfix takes it for white space, so that a value is longer "
    "than it looks, or a line continues the one above"
)
_CR_HAND = message(
    "take the carriage return out (`grep -n $'\\r'` shows such lines, `sed -i 's/\\r//g'` takes all of them out)"
)


def find(look: Look) -> Iterator[Finding]:
    """Carriage returns, once a file; then each line with a character that is not what it looks like."""
    for file, content in ((MAIN_CF, look.main), (MASTER_CF, look.master)):
        lines = content.split(b"\n")
        with_cr = [number for number, raw in enumerate(lines, start=1) if raw.endswith(b"\r")]
        if with_cr:
            found = message("CR LF in {count} lines", count=len(with_cr))
            yield Finding(Place(file, message("its line ends"), with_cr[0]), found, _CR)
        for number, raw in enumerate(lines, start=1):
            text = display.escape_bytes(raw)
            if text.lstrip().startswith("#"):
                continue
            if b"\r" in raw.rstrip(b"\r"):
                yield Finding(
                    Place(file, line=number), text.strip().replace("\r", "\\r"), _CR_INSIDE, _CR_HAND
                )
            for character in dict.fromkeys(one for one in text if one in _UNSEEN or one == "\0"):
                name = _UNSEEN.get(character, message("a NUL byte"))
                yield Finding(
                    Place(file, line=number),
                    text.strip().replace("\0", "\\0"),
                    message("it has {character}, which is part of the word beside it", character=name),
                    message("type that place anew with plain characters"),
                )
    yield from _comments(look)


def _comments(look: Look) -> Iterator[Finding]:
    for entry in look.state.main:
        if entry.name and " #" in entry.value:
            yield Finding(
                Place.main(entry.name, entry.number),
                entry.text,
                message(
                    "a comment needs a line of its own: here the # and what follows are part of the value (postconf(5))"
                ),
                message("put the comment on a line above"),
            )
