"""What each line of main.cf and master.cf is said to mean: a table of lines, without a host."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_states import mail_state

from runbook_lib import inventory
from runbook_lib.inventory.place import Place
from runbook_lib.mail.configuration import parse
from runbook_lib.mail.configuration.bare_newlines import GUARDS
from runbook_lib.mail.findings.explained import findings
from runbook_lib.mail.findings.finding import Look
from runbook_lib.mail.ownership.managers import MANAGERS
from runbook_lib.mail.target import decisions

INVENTORY = """
site: {name: Example, domain: example.jp, ca: {passphrase: "env:CA"}}
hosts:
  mail1:
    address: 192.0.2.25
    user: kanri
    names: {smtp: mail.example.jp}
    certificate: {key_passphrase: "env:KEY"}
"""
BARE = "smtpd_forbid_bare_newline"
STOCK = "smtp      inet  n       -       y       -       -       smtpd\n"
SUBMISSION = "submission inet n       -       y       -       -       smtpd\n"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> inventory.Host:
    """A host with an RSA key."""
    path = tmp_path_factory.mktemp("inventory") / "site.yaml"
    path.write_text(INVENTORY)
    return inventory.load(path).hosts["mail1"]


def look(
    host: inventory.Host,
    main: str = "",
    master: str = STOCK,
    warnings: str = "",
    version: str = "3.7.11",
    **paths: str,
) -> Look:
    """A configuration with these files; Debian's names and types of tables."""
    main_cf = {entry.name: entry.value for entry in parse.entries(main.encode()) if entry.name}
    facts = {
        "warnings": warnings,
        "myhostname": main_cf.get("myhostname", "mail.example.jp"),
        "refused": "",
        "mail_version": version,
        "mydestination": main_cf.get("mydestination", "mail.example.jp"),
    }
    state = mail_state(main_cf, main=main, master=master, more=facts, host=host)
    return Look(
        state,
        main.encode(),
        master.encode(),
        frozenset({"hash", "btree", "cidr", "pcre"}),
        frozenset({"smtpd_recipient_restrictions", *GUARDS}),
        {f"/etc/{name}": state for name, state in paths.items()},
        {"default_database_type": "hash", "smtpd_forbid_bare_newline": main_cf.get(BARE, "normalize")},
        {"mx2.example.jp": "mail2"},
    )


MAIN = {
    "set twice": ("a = 1\nb = 2\na = 3\n", 1, "it is set again in line 3 (3), and the last one counts"),
    "of before 2.3": (
        "smtpd_use_tls = yes\n",
        1,
        "obsolete since Postfix 2.3; in its place: smtpd_tls_security_level",
    ),
    "overridden": (
        "smtpd_use_tls=yes\nsmtpd_tls_security_level=may\n",
        1,
        "no effect beside smtpd_tls_security_level in",
    ),
    "a relative path": (
        "smtpd_tls_cert_file = ./fullchain.pem\n",
        1,
        "a relative path: Postfix looks for",
    ),
    "a file that is gone": ("smtpd_tls_key_file = /etc/gone\n", 1, "/etc/gone is not there"),
    "a key for all": (
        "smtpd_tls_key_file = /etc/open\n",
        1,
        "/etc/open has mode 644: everybody on this host",
    ),
    "a table that is gone": ("virtual_alias_maps = hash:/etc/gone\n", 1, "/etc/gone.db is not there"),
    "a type not built in": (
        "\nalias_maps = lmdb:/etc/aliases\n",
        2,
        "tables of type lmdb are not built into this",
    ),
    "CR": ("a = 1\r\nb = 2\r\n", 1, "its lines end in CR and LF"),
    "a no-break space": ("relay_domains = a.example\u00a0b.example\n", 1, "it has a no-break space"),
    "a comment behind": ("mynetworks = 127.0.0.1 # here\n", 1, "a comment needs a line of its own"),
    "no equals sign": ("a = 1\nsmtpd_banner mail\n", 2, "it cannot be parsed"),
    "a list too new": ("smtpd_tls_mandatory_protocols = TLSv1.2x\n", 1, "turns TLS off for what it governs"),
    "old versions": ("smtpd_tls_protocols = !SSLv2, !SSLv3\n", 1, "it lets in TLSv1, TLSv1.1 on port 25"),
    "1.2 alone": ("smtpd_tls_protocols = TLSv1.2\n", 1, "it shuts out TLS 1.3 on port 25"),
    "1.3 alone": (
        "smtpd_tls_mandatory_protocols = >=TLSv1.3\n",
        1,
        "it shuts out TLS 1.2 on ports that demand TLS",
    ),
    "old ones, and no 1.3": (
        "smtpd_tls_protocols = TLSv1.1, TLSv1.2\n",
        1,
        "it shuts out TLS 1.3 on port 25",
    ),
    "1.3 taken out, outgoing": (
        "\nsmtp_tls_protocols = !TLSv1.3\n",
        2,
        "it shuts out TLS 1.3 on SMTP connections",
    ),
    "the certificate's type": (
        "smtpd_tls_exclude_ciphers = aRSA, RC4\n",
        1,
        "aRSA takes away every cipher of TLS 1.2",
    ),
    "private networks": (
        "mynetworks = 127.0.0.0/8 10.0.0.0/8\n",
        1,
        "private: 10.0.0.0/8: behind NAT or a proxy",
    ),
    "a wide network": ("mynetworks = 8.0.0.0/8, [2600::]/32\n", 1, "wide: 8.0.0.0/8, 2600::/32"),
    **{
        f"mynetworks with {word}": (f"mynetworks = 127.0.0.0/8, {word}\n", 1, f"{word} {why}")
        for word, why in {
            "192.168.1.1/24": "has host bits that are not zero for its length (/24)",
            "[fd00::1]/8": "has host bits that are not zero for its length (/8)",
            "10.0.0.0/33": "is no network (a length is 0 to 32)",
            "[fd00::]/129": "is no network (a length is 0 to 128)",
            "fd00::/8": "is an IPv6 address without brackets",
            "2001:db8::25": "is an IPv6 address without brackets",
            "192.0.2.7:25": "has a port",
            "[2001:db8::25]:25": "has a port",
            "!192.168.1.1/24": "has host bits",
        }.items()
    },
    **{
        f"mynetworks with the name {word}": (
            f"mynetworks = 127.0.0.0/8 {word}\n",
            1,
            f"{word} is a name: Postfix compares addresses alone",
        )
        for word in ("localhost", "mail.example.jp", ".example.jp", "!gw-1")
    },
    "a CR in a value": ("a = 1\nb = 2\r3\n", 2, "a carriage return stands in it"),
    "a CR before a continuation": ("a = 1\n\r b\n", 2, "a carriage return stands in it"),
    "mysql, not installed": (
        "virtual_alias_maps = mysql:/etc/m.cf\n",
        1,
        "type mysql are not built into this Postfix: mail",
    ),
    "a name of every machine": (
        "myhostname = localhost.localdomain\n",
        1,
        "a name that no server has in the DNS",
    ),
    "another host's name": ("myhostname = mx2.example.jp\n", 1, "is the name of mail2 in the inventory"),
    "a name without a domain": ("myhostname = mail\n", 1, "mail has no domain"),
    "a name that is not taken": ("mydestination = localhost\n", 1, "mail.example.jp, is not taken"),
}
MASTER = {
    "too few columns": (f"{STOCK}submission inet n -\n", 2, "it cannot be parsed: it has 4 columns"),
    "a type that is none": (f"{STOCK}a tcp n - y - - smtpd\n", 2, "its second column is tcp"),
    "fallen options": (
        f"{STOCK}#{SUBMISSION}  -o smtpd_tls_security_level=encrypt\n",
        3,
        "an option of smtp/inet",
    ),
    "two on a port": (
        f"{SUBMISSION}{SUBMISSION.replace('submission', '587')}",
        1,
        "line 2 (587) is for port 587 too",
    ),
    "twice": (f"{STOCK}{STOCK}", 1, "line 2 (smtp) is for port 25 too, and the last one counts"),
    "a CR before an option": (f"{STOCK}\r  -o syslog_name=x\n", 2, "a carriage return stands in it"),
    "a CR in an option": (f"{STOCK}  -o {{ syslog_name = x\ry }}\n", 2, "a carriage return stands in it"),
    "a blank beside '='": (f"{STOCK}  -o syslog_name = x\n", 2, "an -o without a value"),
}


@pytest.mark.parametrize(("main", "line", "meaning"), MAIN.values(), ids=MAIN)
def test_a_line_of_main_cf_is_found_with_its_number(
    host: inventory.Host, main: str, line: int, meaning: str
) -> None:
    found = findings(look(host, main, gone="absent", **{"gone.db": "absent", "open": "644 root:root"}))
    assert [one.place.line for one in found if meaning in one.meaning] == [line]


@pytest.mark.parametrize(("master", "line", "meaning"), MASTER.values(), ids=MASTER)
def test_a_line_of_master_cf_is_found_with_its_number(
    host: inventory.Host, master: str, line: int, meaning: str
) -> None:
    assert [one.place.line for one in findings(look(host, master=master)) if meaning in one.meaning] == [line]


@pytest.mark.parametrize(
    "main",
    [
        "",
        "# a = b\n\nmynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128\n",
        "smtpd_tls_exclude_ciphers = ECDSA, RSA+AES\n",  # an RSA key, and not every cipher of it
        "smtpd_tls_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1\n",
        "smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache\n",
        "smtpd_relay_restrictions = check_client_access hash:/etc/there, permit_mynetworks, reject\n",
        "mynetworks = 127.0.0.1 static:x $inet_interfaces [::1]\n",
        "virtual_alias_maps = proxy:btree:/etc/there, cidr:/etc/there\n",
        "smtpd_milters = inet:127.0.0.1:8891 unix:/run/x\n",
    ],
)
def test_what_is_sound_is_not_remarked_on(host: inventory.Host, main: str) -> None:
    assert findings(look(host, main, there="644 root:root", **{"there.db": "644 root:root"})) == ()


@pytest.mark.parametrize("table", ["hash:/etc/gone", "lmdb:/etc/gone", "mysql:/etc/gone"])
def test_a_table_of_keys_holds_up_no_mail_and_is_not_told_to_be_made_without_f(
    host: inventory.Host, table: str
) -> None:
    """What it lacks is said where the names that users type are asked of it."""
    main = f"tls_server_sni_maps = {table}\n"
    assert findings(look(host, main, gone="absent", **{"gone.db": "absent"})) == ()


def test_a_list_written_for_rsa_is_found_where_the_host_gets_p_256(host: inventory.Host) -> None:
    """With such a list a server whose certificate is P-256 finds no cipher in common with anybody."""
    p256 = host.certificate.model_copy(update={"key_type": "p256"})
    of_curves = host.model_copy(update={"certificate": p256})
    (found,) = findings(look(of_curves, "\nsmtpd_tls_exclude_ciphers = ECDSA, RSA+AES\n"))
    assert found.place == Place.main("smtpd_tls_exclude_ciphers", 2)
    assert (
        "ECDSA takes away every cipher of TLS 1.2 for a certificate with an elliptic-curve key"
        in found.meaning
    )


def test_a_misspelt_name_is_found_with_the_one_that_was_meant(host: inventory.Host) -> None:
    warning = "postconf: warning: /etc/postfix/main.cf: unused parameter: smtpd_recipient_restrictons=reject"
    (found,) = findings(look(host, "smtpd_recipient_restrictons = reject\n", warnings=warning))
    assert (found.place.line, found.meaning.rpartition("; ")[2]) == (
        1,
        "was smtpd_recipient_restrictions meant?",
    )


def test_long_files_are_read_in_the_time_that_their_length_takes() -> None:
    """Each took minutes: 80,000 continued lines, and a comment of 100,000 characters."""
    begun = time.process_time()
    (line,) = parse.logical_lines(b"a = 1\n" + b" b\n#c\n" * 80_000)
    assert (len(line.parts), len(line.passed)) == (80_001, 79_999)
    assert not any(one.signs_itself("# " + "managed " * 12_500) for one in MANAGERS)
    assert time.process_time() - begun < 5


def test_what_is_asked_for_and_defined_nowhere_is_found_with_its_line_and_the_near_name(
    host: inventory.Host,
) -> None:
    """postconf names the file and the parameter; where it stands, and what was meant, is for a person."""
    warnings = "\n".join(
        f"postconf: warning: /etc/postfix/{file}.cf: undefined parameter: {name}"
        for file, name in (("main", "mydomian"), ("master", "mua_client_restrictions"))
    )
    main = "a = 1\nmydestination = $myhostname, ${mydomian}\nmydomain = example.jp\n"
    master = f"{STOCK}{SUBMISSION}  -o smtpd_client_restrictions=$mua_client_restrictions\n"
    given = replace(look(host, main, master, warnings), parameters=frozenset({"mydomain", "myhostname"}))
    found = {str(one.place): one for one in findings(given) if "is defined nowhere" in one.meaning}
    assert found.keys() == {"main.cf, mydestination", "master.cf, submission/inet"}
    assert found["main.cf, mydestination"].place.line == 2
    assert found["main.cf, mydestination"].meaning.endswith("was $mydomain meant?")
    option = found["master.cf, submission/inet"]
    assert (option.place.line, option.by_hand[:34]) == (3, "define mua_client_restrictions in ")
    assert "one that is empty for that refuses nobody" in option.meaning


def test_who_writes_bare_newlines_is_cut_off_by_reject(host: inventory.Host) -> None:
    (found,) = [one for one in findings(look(host, f"{BARE} = reject\n")) if BARE in one.place.name]
    assert "answered with 550 5.5.2 on 465 and 587, too" in found.meaning


@pytest.mark.parametrize(
    ("main", "hand"),
    [
        ("alias_maps = lmdb:/etc/aliases\n", "or convert it with postalias to hash"),
        ("alias_database = dbm:/etc/aliases\n", "convert it with postalias to hash"),
        ("virtual_alias_maps = dbm:/etc/virtual\n", "convert it with postmap to hash"),
        (
            "virtual_alias_maps = mysql:/etc/m.cf\n",
            "install its plug-in (package postfix-mysql); this Postfix has btree, cidr",
        ),
        ("alias_database = hash:/etc/gone\n", "postalias hash:/etc/gone"),
    ],
)
def test_the_program_that_makes_a_table_is_the_one_of_its_form(
    host: inventory.Host, main: str, hand: str
) -> None:
    given = look(host, main, gone="absent", **{"gone.db": "absent"})
    assert any(hand in one.by_hand for one in findings(given))


def test_a_list_with_the_sign_of_3_6_turns_tls_off_before_it() -> None:
    assert decisions.protocols(">=TLSv1.2", (3, 5)) is None
    assert decisions.protocols(">=TLSv1.2", (3, 6)) == frozenset({"TLSv1.2", "TLSv1.3"})
    assert decisions.protocols("!SSLv2 !SSLv3:!TLSv1,!TLSv1.1", (2, 10)) == frozenset({"TLSv1.2", "TLSv1.3"})
    assert decisions.protocols("TLSv1.2", (3, 7)) == frozenset({"TLSv1.2"})


@pytest.mark.parametrize("name", ["smtpd_tls_protocols", "smtpd_tls_mandatory_protocols"])
def test_what_is_kept_without_a_version_of_today_says_so(name: str) -> None:
    for value, end in (("TLSv1.2", "; TLS 1.3 is shut out"), ("!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", "")):
        kept = decisions.of_setting(name, value, (3, 7), written=True).keep
        assert kept
        assert kept.endswith(end or kept[-1])
        assert ("shut out" in kept) is bool(end)


GUARD, BETTER = GUARDS
SMUGGLING = {
    "before the guard": (
        "3.7.8",
        (),
        "",
        "3.7 has it from 3.7.9 on, without cutting off anybody from 3.7.10 on",
    ),
    "before the guard, and long": ("2.10.1", (), "", "Postfix has it from 3.5.23 on"),
    "known and off": ("3.7.11", (GUARD, BETTER), "no", ""),
    "the first form, on": (
        "3.5.23",
        (GUARD,),
        "yes",
        "3.5 has it from 3.5.23 on, without cutting off anybody",
    ),
    # What a distribution ported back to an old version is there; the version says nothing about it.
    "ported back, off": ("2.10.1", (GUARD, BETTER), "no", ""),
}


@pytest.mark.parametrize(("version", "knows", "value", "hand"), SMUGGLING.values(), ids=SMUGGLING)
def test_a_host_that_can_be_smuggled_to_is_found(
    host: inventory.Host, version: str, knows: tuple[str, ...], value: str, hand: str
) -> None:
    """What `postconf` knows decides; the version says from where on there is more."""
    shown = replace(
        look(host, version=version),
        parameters=frozenset({"smtpd_recipient_restrictions", *knows}),
        defaults={"default_database_type": "hash", GUARD: value},
    )
    (found,) = findings(shown)
    assert found.place.thing == Place.main(GUARD)
    assert found.found == (f"{GUARD} = {value}, the default of {version}" if value == "no" else found.found)
    assert hand in found.by_hand
    assert bool(hand) == bool(found.by_hand)


@pytest.mark.parametrize(("knows", "value"), [((GUARD, BETTER), "yes"), ((GUARD, BETTER), "normalize")])
def test_a_guarded_host_is_not_remarked_on(host: inventory.Host, knows: tuple[str, ...], value: str) -> None:
    shown = replace(look(host), parameters=frozenset(knows), defaults={GUARD: value})
    assert findings(shown) == ()


@pytest.mark.parametrize(
    ("knows", "can", "value"),
    [((), False, None), ((GUARD,), True, "yes"), ((GUARD, BETTER), True, "normalize")],
)
def test_the_guard_is_written_where_this_postfix_knows_it(
    knows: tuple[str, ...], can: bool, value: str | None
) -> None:
    """Never an unknown parameter in main.cf, nor a value that stops smtpd."""
    assert decisions.can_be_replaced(GUARD, knows) == can
    if value:
        assert decisions.replacement(GUARD, knows) == value


@given(
    st.lists(
        st.sampled_from(
            [b"a = b", b" c", b"#x", b"", b"\t-o y=z", b"s inet n - n - - smtpd", b"\xa4\xb3{", b"}\r"]
        )
    )
)
def test_no_line_is_lost_and_none_is_read_twice(lines: list[bytes]) -> None:
    """Each line that is no comment and not blank stands in exactly one logical line, in its order."""
    content = b"\n".join(lines)
    numbers = [number for line in parse.logical_lines(content) for number, _ in line.parts]
    told = [n for n, raw in enumerate(lines, start=1) if raw.strip() and not raw.lstrip().startswith(b"#")]
    assert numbers == told
    assert all(service.number in told for service in parse.services(content))


@given(st.binary(max_size=400))
def test_whatever_stands_there_is_read(content: bytes) -> None:
    """No input raises; what is left out are comments and blank lines alone."""
    assert len(parse.entries(content)) == len(parse.services(content)) == len(parse.logical_lines(content))
