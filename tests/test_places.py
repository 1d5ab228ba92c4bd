"""A place is printed in one form, which is what an inventory's decision is read from."""

import pytest

from runbook_lib.inventory.place import Place

DECIDABLE = {
    "main.cf, smtpd_use_tls": Place.main("smtpd_use_tls"),
    "master.cf, submission/inet": Place.master("submission/inet"),
    "master.cf, [::1]:submission/inet": Place.master("[::1]:submission/inet"),
    "master.cf, port 587": Place.master("port 587"),
    "DNS, mail.example.jp": Place.dns("mail.example.jp"),
}
# A path, all of a file, a line, an option of a service, another port, more than one line.
NOT_DECIDABLE = (
    "/etc/postfix/main.cf",
    "main.cf",
    "main.cf, line 5",
    "master.cf, smtpd/pass, smtpd_upstream_proxy_protocol",
    "master.cf, port 25",
    "main.cf, smtpd_use_tls\n",
    "main.cf,smtpd_use_tls",
    "DNS, ",
    "",
)


@pytest.mark.parametrize(("text", "place"), DECIDABLE.items(), ids=DECIDABLE)
def test_what_is_printed_is_read_back(text: str, place: Place) -> None:
    assert (str(place), Place.parse(text)) == (text, place)


@pytest.mark.parametrize("text", NOT_DECIDABLE)
def test_what_nobody_can_decide_about_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no place that a decision can be about"):
        Place.parse(text)


def test_a_line_is_said_where_there_is_no_name_alone() -> None:
    assert str(Place.main("mynetworks", 7)) == "main.cf, mynetworks"
    assert str(Place("main.cf", line=7)) == "main.cf, line 7"
    assert Place.main("mynetworks", 7).thing == Place.main("mynetworks")
