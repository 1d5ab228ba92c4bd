"""main.cf or master.cf that Postfix itself cannot read: then no command of it answers, and nothing can be planned."""

import re
from collections.abc import Mapping

from runbook_lib.errors import ApplyRefused
from runbook_lib.mail.configuration.postconf import MAIN_CF, MASTER_CF
from runbook_lib.messages import message
from runbook_lib.remote.facts import Fact

# Where neither file is there, the package's install was cut off before it made them: that is no wrong line.
FACTS = {
    "refused": f"if [ -e {MAIN_CF} ] || [ -e {MASTER_CF} ]; then postconf -h mail_version 2>&1 > /dev/null || :; fi"
}
# 'file /etc/postfix/master.cf: line 16: bad field count', '/etc/postfix/main.cf, line 48: missing '=' after …'
_LINE = re.compile(r"/(?P<file>main\.cf|master\.cf)[:,] line (?P<line>\d+)")


def told(facts: Mapping[str, Fact]) -> str:
    """Postfix's own words; "" where it can read them, or is not installed."""
    return facts["refused"].value.partition("fatal: ")[2].partition("\n")[0]


def check(facts: Mapping[str, Fact], where: str) -> None:
    """Refuse a host whose Postfix cannot read its configuration: it would look as if there were none.

    Raises:
        ApplyRefused: with file and line where Postfix names them.
    """
    words = told(facts)
    if not words:
        return
    line = _LINE.search(words)
    place = (
        message("{file} line {line}", file=line["file"], line=line["line"])
        if line
        else message("its configuration")
    )
    raise ApplyRefused(
        message(
            "{place} cannot be parsed, so nothing can be read or planned here. Postfix says: {words}",
            place=place,
            words=words,
        ),
        where,
        message("put the line right on the host (`postconf -n` then shows the settings), and run this again"),
    )
