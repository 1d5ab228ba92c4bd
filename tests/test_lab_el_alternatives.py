"""The stand-in for `alternatives` does and says what chkconfig's does, links, modes and units."""

from collections.abc import Iterator

import pytest

from lab import Lab

HOST = "el9"
# Two programs that do the same thing; the second is the better one, and has no manual page.
FIRST = (
    "alternatives --install /usr/bin/greet greet /opt/greet.one 30 --slave /etc/greet.conf greet-conf /opt/one.conf"
    " --follower /opt/greet.8 greet-man /opt/one.8 --initscript greet-one"
)
SECOND = (
    "alternatives --install /usr/bin/greet greet /opt/greet.two 90 --initscript greet-two"
    " --slave /etc/greet.conf greet-conf /opt/two.conf"
)


@pytest.fixture
def host(lab: Lab) -> Iterator[str]:
    """Two programs, their files and their units; the second group member is not registered."""
    lab.reset(HOST)
    lab.exec(
        HOST,
        "mkdir -p /opt; for n in one two; do echo $n | tee /opt/greet.$n /opt/$n.conf /opt/$n.8 >/dev/null;"
        "printf '[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n'"
        " >/usr/lib/systemd/system/greet-$n.service; done; systemctl daemon-reload",
    )
    yield HOST
    lab.reset(HOST)


def seen(lab: Lab, command: str) -> str:
    """What a root's shell shows on the host, errors too."""
    return lab.exec(HOST, f"{{ {command}; }} 2>&1 || true").decode().rstrip("\n")


@pytest.mark.usefixtures("host")
def test_the_best_takes_every_link_and_a_choice_holds(lab: Lab) -> None:
    shown = "cat /usr/bin/greet /etc/greet.conf; ls /opt/greet.8 2>/dev/null || echo none"
    seen(lab, FIRST)
    assert seen(lab, "readlink /usr/bin/greet; readlink /etc/alternatives/greet") == (
        "/etc/alternatives/greet\n/opt/greet.one"
    )
    assert seen(lab, shown) == "one\none\n/opt/greet.8"
    seen(lab, SECOND)
    assert seen(lab, shown) == "two\ntwo\nnone"
    seen(lab, "alternatives --set greet /opt/greet.one")
    assert seen(lab, shown) == "one\none\n/opt/greet.8"
    seen(lab, SECOND)  # an update of the better package
    assert seen(lab, shown) == "one\none\n/opt/greet.8"
    assert seen(lab, "alternatives --list") == "greet\tmanual\t/opt/greet.one"
    seen(lab, "alternatives --auto greet")
    assert seen(lab, shown) == "two\ntwo\nnone"
    seen(lab, "alternatives --set greet /opt/greet.one; alternatives --remove greet /opt/greet.one")
    assert seen(lab, "alternatives --list") == "greet\tauto\t/opt/greet.two"
    seen(lab, "alternatives --remove greet /opt/greet.two")
    assert (
        seen(lab, "ls -d /usr/bin/greet /etc/greet.conf /etc/alternatives/greet*").count("No such file") == 3
    )
    assert seen(lab, "alternatives --list") == ""


@pytest.mark.usefixtures("host")
def test_it_says_what_chkconfigs_says(lab: Lab) -> None:
    seen(lab, FIRST)
    seen(lab, SECOND)
    assert seen(lab, "alternatives --display greet") == (
        "greet - status is auto.\n"
        " link currently points to /opt/greet.two\n"
        "/opt/greet.one - priority 30\n"
        " follower greet-conf: /opt/one.conf\n"
        " follower greet-man: /opt/one.8\n"
        "/opt/greet.two - priority 90\n"
        " follower greet-conf: /opt/two.conf\n"
        " follower greet-man: (null)\n"
        "Current `best' version is /opt/greet.two."
    )
    assert seen(lab, "cat /var/lib/alternatives/greet") == (
        "auto\n/usr/bin/greet\ngreet-conf\n/etc/greet.conf\ngreet-man\n/opt/greet.8\n\n"
        "/opt/greet.one\n30 greet-one\n/opt/one.conf\n/opt/one.8\n/opt/greet.two\n90 greet-two\n/opt/two.conf"
    )
    assert seen(lab, "alternatives --set greet /opt/none; echo $?") == (
        "/opt/none has not been configured as an alternative for greet\n2"
    )
    assert seen(lab, "alternatives --display nothing; echo $?").endswith("\n2")
    assert "stand-in of the lab" in seen(lab, "alternatives --config greet")


@pytest.mark.usefixtures("host")
def test_the_units_of_the_others_are_disabled(lab: Lab) -> None:
    """The chosen one is left to the presets, which enable nothing here."""
    states = "systemctl is-enabled greet-one greet-two"
    seen(lab, FIRST)
    seen(lab, "systemctl enable greet-one")
    seen(lab, SECOND)
    assert seen(lab, states) == "disabled\ndisabled"
    seen(lab, "systemctl enable greet-one greet-two; alternatives --set greet /opt/greet.one")
    assert seen(lab, states) == "enabled\ndisabled"


@pytest.mark.usefixtures("host")
def test_a_file_in_the_place_of_a_link_is_left_alone(lab: Lab) -> None:
    seen(lab, "echo mine >/etc/greet.conf")
    assert "exists and it is not a symlink" in seen(lab, FIRST)
    assert seen(lab, "cat /etc/greet.conf; cat /usr/bin/greet") == "mine\none"
