"""Files and tables that the configuration names: relative, missing, open to all, or of a type that is not built in."""

import re
from collections.abc import Iterator

from runbook_lib.mail.findings.finding import Finding, Look

# Parameters whose value is the name of a file (postconf(5)); the second: more than one may stand there.
_FILES = re.compile(
    r"^(smtpd|smtp|lmtp|tlsproxy)_tls_(chain_files|\w*cert_file|\w*key_file|CAfile|dh\d+_param_file)$"
)
_KEYS = re.compile(r"_tls_(chain_files|\w*key_file)$")
# A table: a type, then what it is made of; `proxy:` stands before another type.
_TABLE = re.compile(r"(?<![\w$./:-])(?:proxy:)?(?P<type>[a-z]{2,12}):(?P<name>(?:\$\{?\w+\}?)?/[^\s,{}]+)")
_NO_TABLES = frozenset(("inet", "unix", "http", "https", "local", "file"))
_INDEXED = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb"}
_CACHES = re.compile(r"(_cache_map|_cache_database|_map_cache)$")
_QUEUE = "/var/spool/postfix"


def named(look: Look) -> dict[str, str]:
    """Every file that an entry names, and the index that Postfix reads for each table, with the name as written."""
    found = {}
    for _, _, _, value, name in _values(look):
        for path in _files(name, value):
            found[path if path.startswith("/") else f"{_QUEUE}/{path}"] = path
        for kind, path in _tables(value):
            if "$" not in path:
                found[path] = path
                found[path + _INDEXED.get(kind, "")] = path
    return found


def find(look: Look) -> Iterator[Finding]:
    """What is wrong with them, with the line."""
    for place, line, text, value, name in _values(look):
        for path in _files(name, value):
            meaning, hand = _of_file(look, name, path)
            if meaning:
                yield Finding(place, line, text, meaning, hand)
        for kind, path in _tables(value):
            meaning, hand = _of_table(look, name, kind, path)
            if meaning:
                yield Finding(place, line, text, meaning, hand)


def _values(look: Look) -> Iterator[tuple[str, int, str, str, str]]:
    """Place, line, text, value and parameter of each entry that counts, and of each option of a service."""
    last = {entry.name: entry for entry in look.state.main if entry.name}
    for entry in last.values():
        yield f"main.cf, {entry.name}", entry.number, entry.text, entry.value, entry.name
    for service in look.state.master:
        for option in service.options:
            place = f"master.cf, {service.name}"
            yield place, option.number, f"-o {option.raw}", option.value, option.name


def _files(name: str, value: str) -> list[str]:
    if not _FILES.match(name):
        return []
    words = re.split(r"[\s,]+", value) if name.endswith("chain_files") else [value]
    return [word for word in words if word and word not in ("none", "auto") and "$" not in word]


def _tables(value: str) -> list[tuple[str, str]]:
    found = [(match["type"], match["name"]) for match in _TABLE.finditer(value)]
    return [(kind, path) for kind, path in found if kind not in _NO_TABLES]


def _of_file(look: Look, name: str, path: str) -> tuple[str, str]:
    if not path.startswith("/"):
        return (
            f"a relative path: Postfix looks for {_QUEUE}/{path}, and where that is not there TLS is off and mail goes "
            "on in clear",
            "write the whole path",
        )
    state = (look.paths or {}).get(path, "")
    if state == "absent" and "_dh" in name:
        return f"{path} is not there: Postfix warns at each start and takes its own", "take the entry out"
    if state == "absent":
        return (
            f"{path} is not there: TLS has no certificate, or does not begin, and mail goes on in clear",
            "put the file there, or take the entry out",
        )
    mode = re.match(r"\d+", state)
    if mode and _KEYS.search(name) and int(mode[0], 8) & 0o007:
        return (
            f"{path} has mode {mode[0]}: everybody on this host can read the private key",
            f"chmod 600 {path}",
        )
    return "", ""


def _of_table(look: Look, name: str, kind: str, path: str) -> tuple[str, str]:
    if look.map_types and kind not in look.map_types:
        return (
            f"tables of type {kind} are not built into this Postfix: mail that needs this one is put off",
            f"convert it with postmap to {_default(look)}, and write that type",
        )
    if "$" in path or _CACHES.search(name):
        return "", ""  # Postfix makes it itself
    index = path + _INDEXED.get(kind, "")
    if (look.paths or {}).get(index) == "absent":
        how = f"postmap {kind}:{path}" if kind in _INDEXED else f"put {path} there"
        how = how.replace("postmap", "postalias") if "alias_maps" in name and "virtual" not in name else how
        return f"{index} is not there: mail that needs the table is put off", how
    return "", ""


def _default(look: Look) -> str:
    return (look.defaults or {}).get("default_database_type", "") or "one that `postconf -m` lists"
