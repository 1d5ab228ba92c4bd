"""Which family a host belongs to comes from the host; what was not tried is refused before anything is touched."""

import re
from importlib import resources

import pytest

from runbook_lib.errors import ApplyRefused
from runbook_lib.families import PackageManager, known

APT, DNF, YUM = "apt-get", "dnf\nyum", "yum"


def os_release(**said: str) -> str:
    return "# as an installer writes it\n" + "".join(f'{name}="{value}"\n' for name, value in said.items())


@pytest.mark.parametrize(
    ("said", "managers", "family", "release", "manager"),
    [
        ({"ID": "debian", "VERSION_ID": "12"}, APT, "Debian", "12", "apt-get"),
        ({"ID": "debian", "VERSION_ID": "13"}, APT, "Debian", "13", "apt-get"),
        ({"ID": "centos", "ID_LIKE": "rhel fedora", "VERSION_ID": "7"}, YUM, "Enterprise Linux", "7", "yum"),
        ({"ID": "centos", "ID_LIKE": "rhel fedora", "VERSION_ID": "9"}, DNF, "Enterprise Linux", "9", "dnf"),
        (
            {"ID": "centos", "ID_LIKE": "rhel fedora", "VERSION_ID": "10"},
            DNF,
            "Enterprise Linux",
            "10",
            "dnf",
        ),
        ({"ID": "rhel", "ID_LIKE": "fedora", "VERSION_ID": "9.3"}, DNF, "Enterprise Linux", "9", "dnf"),
        (
            {"ID": "rocky", "ID_LIKE": "rhel centos fedora", "VERSION_ID": "8.9"},
            DNF,
            "Enterprise Linux",
            "8",
            "dnf",
        ),
        (
            {"ID": "almalinux", "ID_LIKE": "rhel centos fedora", "VERSION_ID": "10.0"},
            DNF,
            "Enterprise Linux",
            "10",
            "dnf",
        ),
        # Oracle's says nothing of rhel; a rebuild that nobody listed does.
        ({"ID": "ol", "ID_LIKE": "fedora", "VERSION_ID": "9.4"}, DNF, "Enterprise Linux", "9", "dnf"),
        (
            {"ID": "rebuild", "ID_LIKE": "rhel centos fedora", "VERSION_ID": "9"},
            DNF,
            "Enterprise Linux",
            "9",
            "dnf",
        ),
    ],
)
def test_a_host_says_what_it_is(
    said: dict[str, str], managers: str, family: str, release: str, manager: str
) -> None:
    found, its_release = known.find(os_release(**said), managers, "mail1")
    assert (found.name, its_release.version_id) == (family, release)
    assert found.package_manager.command == manager


@pytest.mark.parametrize(
    ("said", "managers", "told"),
    [
        (
            {"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_ID": "24.04", "PRETTY_NAME": "Ubuntu 24.04"},
            APT,
            "Ubuntu",
        ),
        (
            {"ID": "opensuse-leap", "ID_LIKE": "suse opensuse", "VERSION_ID": "15.6"},
            "zypper",
            "ID=opensuse-leap",
        ),
        ({"ID": "alpine", "VERSION_ID": "3.20.1", "PRETTY_NAME": "Alpine Linux v3.20"}, "apk", "Alpine"),
        ({"ID": "fedora", "VERSION_ID": "41"}, DNF, "ID=fedora"),
        ({"ID": "amzn", "ID_LIKE": "fedora", "VERSION_ID": "2023"}, DNF, "ID=amzn"),
        ({"ID": "debian", "VERSION_ID": "11"}, APT, "VERSION_ID=11"),
        ({"ID": "debian", "PRETTY_NAME": "Debian GNU/Linux trixie/sid"}, APT, "trixie/sid"),
        ({"ID": "centos", "VERSION_ID": "6"}, YUM, "VERSION_ID=6"),
        ({}, APT, "no os-release"),
        # Both say what they are, and have not what belongs to it.
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora", "VERSION_ID": "9"}, APT, "no dnf or yum"),
        ({"ID": "debian", "VERSION_ID": "12"}, "dnf", "no apt-get: what it has is dnf"),
        ({"ID": "debian", "VERSION_ID": "12"}, "", "what it has is nothing"),
    ],
)
def test_what_was_not_tried_is_refused(said: dict[str, str], managers: str, told: str) -> None:
    with pytest.raises(ApplyRefused, match=told) as refused:
        known.find(os_release(**said), managers, "mail1")
    assert "mail1" in str(refused.value)
    assert "Nothing was changed" in str(refused.value)


def test_a_broken_line_of_os_release_does_not_hide_the_others() -> None:
    text = 'NAME="a quote that does not end\nID=debian\nVERSION_ID="12"\nnot an assignment = 3\n'
    assert known.find(text, APT, "mail1")[0].name == "Debian"
    assert known.read(text)["NAME"] == '"a quote that does not end'


@pytest.mark.parametrize(
    "manager",
    {manager.command: manager for family in known.FAMILIES for manager in family.package_managers}.values(),
    ids=lambda manager: manager.command,
)
def test_each_package_manager_has_every_function_that_a_rollback_calls(manager: PackageManager) -> None:
    """Those that packages.sh and the change of packages call, and packages.sh does not define."""
    remote = resources.files("runbook_lib.remote")
    shared, own = (remote.joinpath(name).read_text() for name in ("packages.sh", manager.functions))
    code = re.sub(r"#.*", "", shared) + remote.joinpath("system.py").read_text()
    called = set(re.findall(r"\bpackages_[a-z]+", code)) - {"packages_with"}  # a variable
    defined = re.findall(r"^(packages_[a-z]+)\(\)", f"{shared}\n{own}", flags=re.MULTILINE)
    assert called - set(defined) == set()
    assert len(called) > 20
