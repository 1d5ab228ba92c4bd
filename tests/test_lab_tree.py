"""A host's files as data: what every 'nothing was changed' rests on."""

from lab import Lab
from lab.tree import compare

CHANGES = {  # one of each kind that a tree must notice
    "/etc/motd": "printf 'x' >>/etc/motd",
    "/etc/hostname-copy": "cp /etc/hostname /etc/hostname-copy",
    "/etc/shadow": "chmod 0600 /etc/shadow",
    "/etc/gshadow": "chown root:mail /etc/gshadow",
    "/etc/localtime": "ln -sf /usr/share/zoneinfo/Etc/GMT+1 /etc/localtime",
    "/etc/empty": "mkdir /etc/empty",
    "/etc/skel/.profile": "rm /etc/skel/.profile",
    # written in place: same inode, same length
    "/etc/written": "printf two >/etc/written",
    # the same length and time of change: only its content tells
    "/etc/issue": "t=$(stat -c %Y /etc/issue); sed -i 's/n/N/' /etc/issue; touch -d @$t /etc/issue",
}


def test_an_idle_host_stays_the_same(lab: Lab, any_host: str) -> None:
    """Logging in as root, reading and waiting leave no trace inside the compared part."""
    lab.reset(any_host)
    before = lab.tree(any_host)
    assert len(before) > 5000
    lab.exec(any_host, "sleep 3; systemctl status >/dev/null; ls -R /etc >/dev/null")
    assert compare(before, lab.tree(any_host)) == {}


def test_each_kind_of_change_is_seen_and_nothing_else(lab: Lab, any_host: str) -> None:
    lab.reset(any_host)
    lab.exec(any_host, "printf one >/etc/written")
    before = lab.tree(any_host)
    digest = lab.tree_digest(any_host)
    lab.exec(any_host, "\n".join(CHANGES.values()))
    assert set(compare(before, lab.tree(any_host))) == set(CHANGES)
    assert lab.tree_digest(any_host) != digest


def test_what_is_not_a_file_of_the_host_is_left_out(lab: Lab, any_host: str) -> None:
    lab.reset(any_host)
    before = lab.tree_digest(any_host)
    lab.exec(
        any_host,
        "touch /run/x /tmp/x /var/log/x; mkdir -p /var/lib/sudo/lectured; touch /var/lib/sudo/lectured/x",
    )
    assert lab.tree_digest(any_host) == before
