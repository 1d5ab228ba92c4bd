"""What an inventory means once it is taken: defaults, names, paths, places."""

import hashlib
import pickle
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from lab.state import CHECKOUT
from runbook_lib import inventory, places
from runbook_lib.inventory import names
from runbook_lib.inventory.schema import schema, schema_text

FOLDER = CHECKOUT / "inventory"


def test_the_example_can_be_copied_as_it_is() -> None:
    """The file that a person begins with is right, and its first line gives an editor the schema."""
    example = inventory.load(FOLDER / "example.yaml")
    assert example.host("mail1").names.all == ("mail.example.jp", "pop.example.jp")
    first_line = (FOLDER / "example.yaml").read_text().split("\n")[0]
    assert first_line == "# yaml-language-server: $schema=./schema.json"
    assert (FOLDER / "schema.json").is_file()


def test_every_commented_field_of_the_example_shows_its_default(tmp_path: Path) -> None:
    """What the example says in comments is what happens without them."""
    example = (FOLDER / "example.yaml").read_text().split("\n")
    beginning = example.index("site:")
    (tmp_path / "site.yaml").write_text("\n".join(example))
    opened = [_uncomment(line) if index > beginning else line for index, line in enumerate(example)]
    (tmp_path / "opened.yaml").write_text("\n".join(opened))
    plain, full = inventory.load(tmp_path / "site.yaml"), inventory.load(tmp_path / "opened.yaml")
    changed = {
        "further": ("ms.example.jp",),
        "resolver": "192.0.2.53",
        "key": str(Path("~/.ssh/id_ed25519").expanduser()),
    }
    host = full.host("mail1")
    assert (
        full.site.model_copy(
            update={name: getattr(plain.site, name) for name in ("resolver", "records", "maintenance")}
        )
        == plain.site
    )
    assert full.site.maintenance is not None
    assert (len(full.site.maintenance.windows), len(full.site.maintenance.freezes)) == (1, 1)
    assert full.site.resolver == changed["resolver"]
    assert (host.names.further, host.key) == (changed["further"], changed["key"])
    assert host.jump == "ops@gw.example.jp:2222"
    names = host.names.model_copy(update={"further": ()})
    assert host.certificate.rekey_after == "2027-01-15"
    values = host.certificate.model_copy(update={"rekey_after": None, "granted_again": None})
    assert (host.port_25.ca_file or "").endswith("/roots/partners-ca.pem")
    assert [one.purpose for one in host.by_certificate] == ["mail", "mx"]
    without = {
        name: getattr(plain.host("mail1"), name)
        for name in ("key", "jump", "port_25", "further_certificates")
    }
    shown = host.model_copy(update={**without, "names": names, "certificate": values})
    assert shown == plain.host("mail1")


def _uncomment(line: str) -> str:
    """`  # a: 1` as `  a: 1`; a comment in words, and one behind a value, stays."""
    indent, mark, rest = line.partition("# ")
    is_field = (mark and not indent.strip() and ":" in rest.split(" ")[0]) or rest.startswith("  ")
    return indent + rest if is_field else line


def test_the_schema_file_is_what_the_models_say() -> None:
    """An editor completes today's fields. To do when red: python -m runbook_lib.inventory."""
    assert (FOLDER / "schema.json").read_text() == schema_text()


def test_the_schema_takes_the_example_and_asks_for_what_a_host_must_say() -> None:
    """The checked-in schema is valid itself, and no stricter than the loader."""
    jsonschema.Draft202012Validator.check_schema(schema())
    validator = jsonschema.Draft202012Validator(schema())
    example = YAML(typ="safe").load(FOLDER / "example.yaml")
    assert list(validator.iter_errors(example)) == []
    del example["hosts"]["mail1"]["names"], example["site"]["ca"]["passphrase"]
    example["hosts"]["mail1"]["port"] = "22"
    assert {error.json_path for error in validator.iter_errors(example)} == {
        "$.hosts.mail1",
        "$.hosts.mail1.port",
        "$.site.ca",
    }


MINIMAL = """\
site:
  name: Example
  domain: example.jp
  known_hosts: keys/known_hosts
  ca: {passphrase: "file:secrets/ca"}
defaults:
  user: kanri
  sudo: {password: "env:SUDO"}
  submission: {ports: [587], ciphers: strict}
  certificate:
    key_passphrase: file:~/key
hosts:
  mail1:
    address: ms1
    user: root
    key: keys/id
    names: {smtp: メール.Example.JP, pop: POP.example.jp, further: [pop.example.jp, ms.example.jp]}
    submission: {auth_on_25: true}
    certificate: {key_passphrase: "cmd:pass show 'key of mail1'"}
"""


@pytest.fixture
def site(tmp_path: Path) -> inventory.Inventory:
    """A short inventory in a folder that is not the working directory."""
    (tmp_path / "site.yaml").write_text(MINIMAL)
    return inventory.load(tmp_path / "site.yaml")


def test_a_host_has_the_defaults_under_its_own_values(site: inventory.Inventory) -> None:
    """Blocks are merged field by field; a list is one value."""
    host = site.host("mail1")
    assert host.name == "mail1"
    assert host.user == "root"
    assert host.sudo.password == "env:SUDO"
    assert (host.submission.ports, host.submission.ciphers, host.submission.auth_on_25) == (
        (587,),
        "strict",
        True,
    )
    assert (host.port, host.production, host.certificate.key_bits, host.certificate.valid_days) == (
        22,
        True,
        2048,
        365,
    )


def test_names_become_a_labels_in_lower_case_each_once(site: inventory.Inventory) -> None:
    """Certificates, DNS queries and settings pages get one spelling; a person sees both."""
    names = site.host("mail1").names
    assert names.all == ("xn--4dkua4c.example.jp", "pop.example.jp", "ms.example.jp")
    assert inventory.shown(names.smtp) == "xn--4dkua4c.example.jp (メール.example.jp)"
    assert inventory.shown(names.all[1]) == "pop.example.jp"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("WWW.example.jp", "www.example.jp"),
        ("メール.example.jp", "xn--4dkua4c.example.jp"),
        ("*.Example.jp", "*.example.jp"),
        ("IP 192.0.2.10", "IP 192.0.2.10"),
        ("IP 2001:DB8:0::0:1", "IP 2001:db8::1"),
    ],
)
def test_a_name_more_that_a_public_ca_put_in_has_one_spelling(written: str, read: str) -> None:
    """Wildcards and addresses only here, where a person accepted them."""
    assert names.certificate_name(written) == read


@pytest.mark.parametrize(
    "written", ["192.0.2.10", "*", "*.jp", "m*.example.jp", "IP mail.example.jp", "a.*.jp", ""]
)
def test_what_no_certificate_may_bear_cannot_be_accepted(written: str) -> None:
    with pytest.raises(ValueError, match=r"expected|write"):
        names.certificate_name(written)


def test_paths_start_from_the_files_folder(site: inventory.Inventory, tmp_path: Path) -> None:
    """Whatever the working directory is; references to files too; ~ is the person's home."""
    assert site.site.known_hosts == f"{tmp_path}/keys/known_hosts"
    assert site.site.ca.passphrase == f"file:{tmp_path}/secrets/ca"
    assert site.host("mail1").key == f"{tmp_path}/keys/id"
    assert site.site.ca.directory == str(Path.home() / ".local/share/runbook/ca")


def test_the_ca_is_named_after_the_site(site: inventory.Inventory) -> None:
    """Users see this name when they install it, so it is never empty."""
    assert site.site.ca.common_name == "Example mail CA"


def test_every_value_can_be_found_in_the_file(site: inventory.Inventory) -> None:
    """Other errors name a line: a host's own value, one from the defaults, the block around one not there."""
    lines = {
        ("hosts", "mail1", "names"): 17,
        ("hosts", "mail1", "sudo", "password"): 8,
        ("hosts", "mail1", "certificate", "key_passphrase"): 19,
        ("hosts", "mail1", "check_account"): 13,
        ("site", "ca", "valid_days"): 5,
    }
    assert {path: site.where(*path) for path in lines} == {
        path: f"{site.path}, line {line}" for path, line in lines.items()
    }


def test_the_digest_is_that_of_the_files_bytes(site: inventory.Inventory) -> None:
    """A record names the inventory by it, and anybody can compute it again."""
    assert site.digest == hashlib.sha256(site.path.read_bytes()).hexdigest()


def test_an_inventory_reaches_a_batch_worker(site: inventory.Inventory) -> None:
    """Workers are processes."""
    assert pickle.loads(pickle.dumps(site)) == site  # noqa: S301


def test_a_word_is_a_file_of_the_checkout_wherever_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """papermill works in the caller's folder, nbval in the notebook's: a name means the same in both."""
    monkeypatch.delenv("RUNBOOK_LAB", raising=False)
    monkeypatch.chdir(tmp_path)
    assert inventory.find("lab") == FOLDER / "lab.yaml"
    assert inventory.load("example").path == FOLDER / "example.yaml"
    line = (FOLDER / "example.yaml").read_text().splitlines().index("hosts:") + 1
    assert inventory.load("example").where("hosts") == f"inventory/example.yaml, line {line}"
    assert inventory.find("site.yaml") == tmp_path / "site.yaml"
    assert inventory.find("~/site.yaml") == Path.home() / "site.yaml"


def test_what_is_read_where_nobody_names_an_inventory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a checkout its own, then the user's, then the lab's: what stands in another folder counts for nothing."""
    monkeypatch.delenv("RUNBOOK_LAB", raising=False)
    monkeypatch.setattr(places, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    for folder in ("checkout/inventory", "config/runbook", "inventory"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "inventory" / "site.yaml").write_text(MINIMAL)
    assert inventory.default() == "lab"
    own = tmp_path / "config" / "runbook" / "site.yaml"
    own.write_text(MINIMAL)
    assert inventory.find(inventory.default()) == own
    assert inventory.is_default(own)
    (tmp_path / "checkout" / "inventory" / "site.yaml").write_text(MINIMAL)
    assert inventory.default() == "site"
    assert not inventory.is_default(own)
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")  # the specification has it ignored
    assert places.configuration() == Path.home() / ".config" / "runbook"


def test_a_lab_of_ones_own_is_found_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test run may have hosts of its own."""
    monkeypatch.setenv("RUNBOOK_LAB", str(tmp_path))
    (tmp_path / "lab.yaml").write_text(MINIMAL)
    assert inventory.load("lab").path == tmp_path / "lab.yaml"
    assert inventory.find("site") == FOLDER / "site.yaml"


def test_anchors_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    """What editors write, and what YAML offers, works."""
    text = MINIMAL.replace('sudo: {password: "env:SUDO"}', "sudo: &s {password: env:A}")
    (tmp_path / "site.yaml").write_bytes(b"\xef\xbb\xbf" + text.replace("user: root", "sudo: *s").encode())
    assert inventory.load(tmp_path / "site.yaml").host("mail1").sudo.password == "env:A"
