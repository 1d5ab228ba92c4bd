"""A file name of the inventory that is the host's trust store or somebody's key: refused before the first change."""

from pathlib import Path

import pytest
from applied_host import run_cells, run_chapters
from ruamel.yaml import YAML
from trees import AT_WORK, changed

from lab import Lab
from runbook_lib.errors import ApplyRefused
from runbook_lib.inventory import CertificateValues

HOST = "debian12"
CHAPTERS = ("11-key-and-csr", "12-signing")
STORE = "/etc/ssl/certs/ca-certificates.crt"
SNAKEOIL = "/etc/ssl/private/ssl-cert-snakeoil.key"
HIS = "/etc/ssl/private/imap.key"
FIELDS = ("key_file", "nopass_key_file", "csr_file", "certificate_file")


def inventory(lab: Lab, folder: Path, **certificate: object) -> str:
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["hosts"][HOST].setdefault("certificate", {}).update(certificate)
    path = folder / "named.yaml"
    yaml.dump(book, path)
    return str(path)


def refusal(chapter: str, chosen: str) -> str:
    with pytest.raises(ApplyRefused) as error:
        run_cells(chapter, host=HOST, inventory=chosen)
    return str(error.value)


def planned(chosen: str) -> str:
    shown = run_cells(CHAPTERS[0], host=HOST, inventory=chosen, mode="plan")
    return "\n".join(one.text() for one in shown if one is not None)


def test_what_others_made_is_refused_by_name(lab: Lab, tmp_path: Path) -> None:
    lab.reset(HOST, "fresh")
    lab.exec(HOST, f"openssl genrsa -out {HIS} 2048 2>/dev/null")
    before = lab.tree(HOST)
    for field, path, whose in (
        ("certificate_file", STORE, "made by package ca-certificates"),
        ("nopass_key_file", SNAKEOIL, "made by package ssl-cert"),
        ("nopass_key_file", HIS, "made by no package and by no run; owner root, last changed 2"),
        ("csr_file", HIS, "made by no package and by no run; owner root, last changed 2"),
    ):
        chosen = inventory(lab, tmp_path, **{field: Path(path).name})
        said = refusal(CHAPTERS[0], chosen)
        assert f"{field}: {path}, {whose}" in said
        assert f"name another file under hosts.{HOST}.certificate in the inventory" in said
        assert f"Apply refuses to write over what is somebody else's: {field}: {path}, " in planned(chosen)
    assert changed(before, lab.tree(HOST), AT_WORK) == []
    run_chapters(HOST, chapters=CHAPTERS[:1])
    said = refusal(CHAPTERS[1], inventory(lab, tmp_path, certificate_file=Path(STORE).name))
    assert f"certificate_file: {STORE}, made by package ca-certificates" in said


def test_what_is_for_this_server_is_replaced_by_any_name(lab: Lab, tmp_path: Path) -> None:
    """Where a run made it, and where no journal knows: renewal and a new key go on as before."""
    lab.reset(HOST, "bare")
    names = {field: f"other-{CertificateValues.model_fields[field].default}" for field in FIELDS}
    chosen = inventory(lab, tmp_path, **names)
    for chapter in CHAPTERS:
        run_cells(chapter, host=HOST, inventory=chosen)
    first = serial(lab)
    lab.exec(HOST, "rm -r /var/lib/runbook")  # as on a host that was brought back without its journals
    run_cells(
        CHAPTERS[1], host=HOST, inventory=inventory(lab, tmp_path, **names, valid_days=397, renew_days=396)
    )
    assert (second := serial(lab)) != first
    lab.exec(HOST, "rm -r /var/lib/runbook; touch -d 2026-01-01 /etc/ssl/private/other-nopass*")
    rekeyed = inventory(lab, tmp_path, **names, rekey_after="2026-02-01", key_type="p256")
    for chapter in CHAPTERS:
        run_cells(chapter, host=HOST, inventory=rekeyed)
    assert serial(lab) != second


def serial(lab: Lab) -> bytes:
    return lab.exec(HOST, "openssl x509 -in /etc/ssl/certs/other-mail-server.pem -noout -serial")
