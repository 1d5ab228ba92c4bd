"""Files and tables that the configuration names: relative, missing, open to all, or of a type that is not built in."""

import re
from collections.abc import Iterator

from runbook_lib.inventory.place import Place
from runbook_lib.mail.findings.finding import Finding, Look
from runbook_lib.messages import joined, message

# Parameters whose value is the name of a file (postconf(5)); the second: more than one may stand there.
_FILES = re.compile(
    r"^(smtpd|smtp|lmtp|tlsproxy)_tls_(chain_files|\w*cert_file|\w*key_file|CAfile|dh\d+_param_file)$"
)
_KEYS = re.compile(r"_tls_(chain_files|\w*key_file)$")
# A table: a type, then what it is made of; `proxy:` stands before another type.
_TABLE = re.compile(r"(?<![\w$./:-])(?:proxy:)?(?P<type>[a-z]{2,12}):(?P<name>(?:\$\{?\w+\}?)?/[^\s,{}]+)")
_NO_TABLES = frozenset(("inet", "unix", "http", "https", "local", "file"))
_INDEXED = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb"}
# Types that ask a server or a program, with no file to convert; and those that distributions have as plug-ins.
_ASKED = frozenset(("mysql", "pgsql", "ldap", "sqlite", "mongodb", "memcache", "tcp", "socketmap", "nis"))
_PLUG_INS = frozenset(("mysql", "pgsql", "ldap", "sqlite", "mongodb", "pcre", "lmdb", "cdb"))
_CACHES = re.compile(r"(_cache_map|_cache_database|_map_cache)$")
_OF_KEYS = "tls_server_sni_maps"  # made with -F, and no mail needs it: target/sni.py says what it lacks
_QUEUE = "/var/spool/postfix"


def named(look: Look) -> dict[str, str]:
    """Every file that an entry names, and the index that Postfix reads for each table, with the name as written."""
    found = {}
    for _, _, value, name in _values(look):
        for path in _files(name, value):
            found[path if path.startswith("/") else f"{_QUEUE}/{path}"] = path
        for kind, path in _tables(value):
            if "$" not in path:
                found[path] = path
                found[path + _INDEXED.get(kind, "")] = path
    return found


def find(look: Look) -> Iterator[Finding]:
    """What is wrong with them, with the line."""
    for place, text, value, name in _values(look):
        for path in _files(name, value):
            meaning, hand = _of_file(look, name, path)
            if meaning:
                yield Finding(place, text, meaning, hand)
        for kind, path in _tables(value) if name != _OF_KEYS else ():
            meaning, hand = _of_table(look, name, kind, path)
            if meaning:
                yield Finding(place, text, meaning, hand)


def _values(look: Look) -> Iterator[tuple[Place, str, str, str]]:
    """Place, text, value and parameter of each entry that counts, and of each option of a service."""
    last = {entry.name: entry for entry in look.state.main if entry.name}
    for entry in last.values():
        yield Place.main(entry.name, entry.number), entry.text, entry.value, entry.name
    for service in look.state.master:
        for option in service.options:
            yield Place.master(service.name, option.number), f"-o {option.raw}", option.value, option.name


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
            message(
                "a relative path: Postfix looks for {path}, and where that is not there TLS is off and mail goes on in "
                "clear",
                path=f"{_QUEUE}/{path}",
            ),
            message("write the whole path"),
        )
    state = (look.paths or {}).get(path, "")
    if state == "absent" and "_dh" in name:
        return (
            message("{path} is not there: Postfix warns at each start and takes its own", path=path),
            message("take the entry out"),
        )
    if state == "absent":
        return (
            message(
                "{path} is not there: TLS has no certificate, or does not begin, and mail goes on in clear",
                path=path,
            ),
            message("put the file there, or take the entry out"),
        )
    mode = re.match(r"\d+", state)
    if mode and _KEYS.search(name) and int(mode[0], 8) & 0o007:
        return (
            message(
                "{path} has mode {mode}: everybody on this host can read the private key",
                path=path,
                mode=mode[0],
            ),
            f"chmod 600 {path}",
        )
    return "", ""


def _of_table(look: Look, name: str, kind: str, path: str) -> tuple[str, str]:
    if look.map_types and kind not in look.map_types:
        return (
            message(
                "tables of type {type} are not built into this Postfix: mail that needs this one is put off",
                type=kind,
            ),
            joined(
                "; ",
                (
                    _in_its_place(look, name, kind),
                    message("this Postfix has {types}", types=", ".join(sorted(look.map_types))),
                ),
            ),
        )
    if "$" in path or _CACHES.search(name):
        return "", ""  # Postfix makes it itself
    index = path + _INDEXED.get(kind, "")
    if (look.paths or {}).get(index) == "absent":
        how = f"{_maker(name)} {kind}:{path}" if kind in _INDEXED else message("put {path} there", path=path)
        return message("{path} is not there: mail that needs the table is put off", path=index), how
    return "", ""


def _in_its_place(look: Look, name: str, kind: str) -> str:
    """What can be done about a table of a type that is not built in; '' where nothing is known."""
    plug_in = (
        message("install its plug-in (package {package})", package=f"postfix-{kind}")
        if kind in _PLUG_INS
        else ""
    )
    if kind in _ASKED:
        return plug_in
    convert = message(
        "convert it with {program} to {type}, and write that type", program=_maker(name), type=_default(look)
    )
    return message("{first}, or {second}", first=plug_in, second=convert) if plug_in else convert


def _maker(name: str) -> str:
    """The program that makes a parameter's table: aliases(5) has a form of its own, with a colon behind the key."""
    return "postalias" if name in ("alias_maps", "alias_database") else "postmap"


def _default(look: Look) -> str:
    return (look.defaults or {}).get("default_database_type", "") or message("one that `postconf -m` lists")
