"""What is said of the ranges of mynetworks: which are private, which wide, and which neither."""

import pytest

from runbook_lib.mail.configuration import networks


@pytest.mark.parametrize(
    ("value", "private", "wide"),
    [
        (
            "10.0.0.0/8",
            "10.0.0.0/8",
            "",
        ),  # many addresses, and it is not called wide: NAT is what matters there
        ("192.168.1.0/24", "192.168.1.0/24", ""),
        ("[fd00::]/8", "fd00::/8", ""),
        ("8.8.8.0/24", "", ""),
        ("8.8.8.0/23", "", "8.8.8.0/23"),
        ("[2600::]/64", "", ""),
        ("[2600::]/63", "", "2600::/63"),
        ("172.16.0.0/12, 8.0.0.0/8, 8.8.8.8", "172.16.0.0/12", "8.0.0.0/8"),
    ],
)
def test_each_range_is_called_what_it_is(value: str, private: str, wide: str) -> None:
    told = networks.told(value)
    assert told.startswith("clients of ")
    assert (f"; private: {private}: behind NAT or a proxy" in told) == bool(private)
    assert (f"; wide: {wide}: few sites have that many" in told) == bool(wide)
    assert told.count("private: ") == bool(private)
    assert told.count("wide: ") == bool(wide)


@pytest.mark.parametrize(
    "value", ["", "127.0.0.0/8", "[::1]/128", "[::ffff:127.0.0.0]/104", "hash:/etc/there"]
)
def test_of_this_host_alone_nothing_is_said(value: str) -> None:
    assert networks.told(value) == ""


def test_ipv4_written_as_ipv6_is_this_host_only_where_it_is_loopback() -> None:
    assert [str(one) for one in networks.ranges("[::ffff:127.0.0.0]/104 [::ffff:8.8.8.0]/120 ::1")] == [
        "::ffff:808:800/120"
    ]
