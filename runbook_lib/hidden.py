"""Secrets that stand in what is found on a host: hidden by their kind in everything that is shown and recorded.

Nobody named them in an inventory, so their values are not known; their places are. Sources: postconf(5),
DATABASE_README ('static', 'inline'), ldap_table(5), pipe(8), RFC 3986 (3.2.1), Cyrus SASL's options.
"""

import hashlib
import re

MASK = "***"
_DIGEST_DIGITS = 16
# Most texts have none of these words, and there are thousands of texts.
_WORDS_OF_NAMES = ("_pw", "_pass", "passwd", "password", "passphrase", "secret", "token")
_HINTS = ("static:", "inline:", "argv=", "mailbox_command", "://", *_WORDS_OF_NAMES)
_NAME = rf"[A-Za-z0-9_-]*(?:{'|'.join(_WORDS_OF_NAMES)})"
# NAME = VALUE of main.cf and of tables; an environment's NAME=VALUE, an option's --NAME=VALUE.
_ASSIGNED = re.compile(
    rf"(?im)(?P<name>(?<![\w$]){_NAME}(?:[ \t]*=[ \t]*(?=\S)))(?P<value>\"[^\"\n]*\"|'[^'\n]*'|"
    r"(?<= = )[^\n]+|[^\s,]+)"
)
# Cyrus SASL and saslauthd write theirs with a colon.
_SASL = re.compile(
    r"(?m)(?P<name>\b(?:sql_passwd|ldapdb_pw|ldap_password|ldap_bind_pw):[ \t]*)(?P<value>\S[^\n]*)"
)
# A pattern that begins with what is rare: one that began with the scheme would look at each letter of a long word.
_URL = re.compile(r"(?<=[A-Za-z0-9+.-])(?P<name>://[^/\s:@]*:)(?P<value>[^@\s/]+)(?=@)")
_STATIC = re.compile(
    r"static:(?P<brace>\{)?(?P<user>(?(brace)[^:{}\n]+|[^\s:,{}]+)):(?P<value>(?(brace)[^}\n]+|[^\s,]+))"
)
_STATIC_ALONE = re.compile(r"(?m)(?P<name>password_maps[ \t]*=[ \t]*(?:\w+:)*static:)(?P<value>[^\s:]+)$")
_TABLE = re.compile(r"\binline:[ \t]*(?=\{)")
_ACCESS = re.compile(r"\bcheck_\w+_access[ \t]+(?:\w+:)*\Z")
_LONGEST_BEFORE = 200  # characters of a restriction's name and the kinds of map before `inline:`
# What leads to a secret is none: an inventory's reference, a shell's variable.
_LEADS_THERE = re.compile(r"(?:env|file|keyring|cmd):|(?:\"|'|&quot;)?\$")
_WORDS = r"(?P<program>[\w/$.{\"'][^\s]*)(?P<rest>(?:[ \t]+[^\s]+)+)"
_COMMAND = re.compile(rf"(?P<name>\bargv=|\bmailbox_command[ \t]*=[ \t]*){_WORDS}")
# A command's words that cannot be a secret: Postfix's own macros, options without a value, paths, quotes around them.
_PLAIN_WORD = re.compile(r"-|-[A-Za-z]|--[A-Za-z-]+|/\S*|[\"'(<-]*\S*\$(?:\{\w+\}|\(\w+\)|\w+)\S*|\*\*\*")
_CONTINUED = re.compile(r"(\bargv=[^\n]*)((?:\n[+ -][ \t]+[^\s#][^\n]*)+)")  # in a diff
_DIGEST = re.compile(r" \(SHA-256 [0-9a-f]{16}\)$")


def hidden(text: str) -> str:
    """`text` without the secrets that stand in a host's configuration.

    Values of `*_pw`, `*password` and their like, what `static:` and `inline:` maps answer, passwords in URLs are ***.
    Of a command's arguments nobody can tell which is one: those that are no option, path or macro are ***, and the
    digest of all of them says whether two are the same.
    """
    if not _hinted(text):
        return text
    text = _without_tables(text)
    text = _STATIC.sub(lambda found: f"static:{found['brace'] or ''}{found['user']}:{MASK}", text)
    if "@@ " in text and "argv=" in text:
        text = _CONTINUED.sub(lambda found: found[1] + _one_line(found[2]), text)
    # All others are within a line, and most lines of a page have none of the words.
    return "\n".join(_in_line(line) if _hinted(line) else line for line in text.split("\n"))


def _hinted(text: str) -> bool:
    folded = text.casefold()  # as (?i) has it: of a long s and the Kelvin sign, too
    return any(hint in folded for hint in _HINTS)


def _in_line(line: str) -> str:
    line = _COMMAND.sub(_command, line)
    for pattern in (_STATIC_ALONE, _ASSIGNED, _SASL, _URL):
        line = pattern.sub(_assigned, line)
    return line


def hidden_value(name: str, value: str) -> str:
    """A setting's value where it stands apart from its name, as in a table's columns.

    Args:
        name: of the setting, with what says where before it: "main.cf, accounts_bind_pw".
    """
    head = f"{name.split()[-1]} = "
    return hidden(head + value).removeprefix(head)


def _assigned(found: re.Match[str]) -> str:
    if _LEADS_THERE.match(found["value"]):
        return found[0]
    return f"{found['name']}{MASK}"


def _command(found: re.Match[str]) -> str:
    if _DIGEST.search(found["rest"]):
        return found[0]
    words = re.split(r"([ \t]+)", found["rest"])
    shown = "".join(
        word if not word.strip() or _PLAIN_WORD.fullmatch(word) else _option(word) for word in words
    )
    if shown == found["rest"]:
        return found[0]
    return f"{found['name']}{found['program']}{shown} ({digest(found['rest'].strip())})"


def _option(word: str) -> str:
    name, equals, _ = word.partition("=")
    return f"{name}={MASK}" if equals and _PLAIN_WORD.fullmatch(name) else MASK


def _one_line(continued: str) -> str:
    """The lines of a diff that go on with a command, joined to it, without the marks before them."""
    return " " + " ".join(line[1:].strip() for line in continued.strip("\n").split("\n"))


def _without_tables(text: str) -> str:
    """`inline:` tables closed, but those of access lists: what these answer are actions."""
    if "inline:" not in text:
        return text
    parts, shown_to = [], 0
    for found in _TABLE.finditer(text):
        before = text[max(0, found.start() - _LONGEST_BEFORE) : found.start()]
        if _ACCESS.search(before) or found.start() < shown_to:
            continue
        end = _closing(text, found.end())
        table = text[found.end() : end]
        if table.strip("{} \t") == "" or table.startswith(f"{{{MASK}"):
            continue
        parts += [text[shown_to : found.end()], f"{{{MASK} ({digest(table)})}}"]
        shown_to = end
    return "".join([*parts, text[shown_to:]])


def _closing(text: str, opening: int) -> int:
    depth = 0
    for place in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    return len(text)


def digest(value: str) -> str:
    """What tells two hidden values apart."""
    return f"SHA-256 {hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:_DIGEST_DIGITS]}"
