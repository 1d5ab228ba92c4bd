"""`runbook status` says whose doing another certificate is, and raises no alarm about what somebody decided to keep."""

import json
from dataclasses import replace

from applied_host import applied, runbook
from supported import family_of

from lab import Lab
from runbook_lib.afterwards import overview
from runbook_lib.afterwards.overview import ByName, PortShown
from runbook_lib.remote.runs import JournaledRun, Standing

HOST = "debian12"
OURS = Standing("", False, (JournaledRun("r", "1", 1, "all of it", ""),))
# The file has 0B; who sends no name gets it, and so do others, but for the name that follows.
CHOSEN = PortShown(
    465, "0A", ("0B",), "", "", (), by_name=(ByName("mail", "0A", ""), ByName("", "0B", "")), reads_ours=True
)


def needs(port: PortShown, file_serial: str = "0B") -> list[str]:
    needed = overview._needed(OURS, [port], {"mail": file_serial}, (), {"mail": 30}, "runbook apply")
    return [need.what for need in needed]


def test_a_certificate_that_is_chosen_by_the_name_is_not_called_not_taken_up() -> None:
    (need,) = needs(CHOSEN)
    assert "0A to who asks by mail, and what the file has (0B) to who sends no name" in need
    assert "tls_server_sni_maps" in need
    assert "not taken up" not in need


def test_a_further_name_that_has_a_good_certificate_of_its_own_needs_nobody() -> None:
    names = (ByName("mail", "0B", ""), ByName("pop", "0C", ""), ByName("", "0B", ""))
    assert needs(replace(CHOSEN, serial="0B", by_name=names)) == []
    refused = replace(names[1], untrusted="self-signed certificate")
    (need,) = needs(replace(CHOSEN, serial="0B", by_name=(names[0], refused, names[2])))
    assert "0C to who asks by pop, which clients refuse (self-signed certificate)" in need


def test_a_file_that_was_not_taken_up_is_still_told() -> None:
    same = (ByName("mail", "0A", ""), ByName("", "0A", ""))
    (need,) = needs(replace(CHOSEN, by_name=same))
    assert need.endswith("not taken up; runbook apply reloads and proves it")


def test_a_certificate_that_somebody_keeps_is_no_alarm() -> None:
    """Port 25 is told another file than ours, and shows what is in it: nothing is left to be put anywhere."""
    kept = PortShown(25, "0D", ("0D",), "", "", (), by_name=(ByName("mail", "0D", ""), ByName("", "0D", "")))
    assert needs(kept, file_serial="0B") == []
    (need,) = needs(replace(kept, reads_ours=True), file_serial="0B")
    assert "puts it into the file that Postfix reads" in need


def test_on_a_host_the_map_is_named_and_what_is_kept_is_left_in_peace(lab: Lab) -> None:
    applied(lab, HOST)
    ours = f"{family_of(HOST).key_directory}/postfix_mail-server.pem"
    pair = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 99 -subj /CN=other"
    lab.exec(
        HOST,
        f"cd /etc/postfix; {pair} -keyout other.key -out other.crt 2>/dev/null; cat other.key other.crt > other.pem\n"
        "echo 'pop12.example.test /etc/postfix/other.pem' > sni; postmap -F hash:/etc/postfix/sni\n"
        "postconf -e tls_server_sni_maps=hash:/etc/postfix/sni smtpd_tls_chain_files=/etc/postfix/other.pem\n"
        f"for s in submission submissions; do postconf -P $s/inet/smtpd_tls_chain_files={ours}; done\n"
        "postfix reload",
    )
    told = json.loads(runbook("status", "--json", "--host", HOST).stdout)["hosts"][HOST]
    about_ports = [need for need in told["needs"] if need.startswith("port ")]
    assert [need.partition(" shows ")[0] for need in about_ports] == ["port 465", "port 587"]
    for need in about_ports:
        assert "to who asks by pop12.example.test, which clients refuse" in need
        assert "tls_server_sni_maps" in need
    shown = {port["port"]: port for port in told["ports"]}
    assert [shown[25]["reads_ours"], shown[465]["reads_ours"]] == [False, True]
    assert {one["name"] for one in shown[587]["by_name"]} == {"mail12.example.test", "pop12.example.test", ""}
