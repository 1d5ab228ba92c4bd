"""`up` starts hosts that were not there yet in the state that was asked for, side by side."""

from pathlib import Path
from unittest import mock

from lab import Lab
from lab.releases import RELEASES
from lab.state import State


def test_each_host_that_is_named_starts_in_the_state_that_was_asked_for(tmp_path: Path) -> None:
    given = [mock.Mock(release=release, place=1) for release in RELEASES.values()]
    parts = ("check_machine", "check_inotify", "true_images", "hosts", "host_images", "network", "dns")
    with (
        mock.patch.multiple(
            "lab.lab", write_inventory=mock.DEFAULT, **dict.fromkeys(parts, mock.DEFAULT)
        ) as made,
        mock.patch.multiple(Lab, hosts=given, network=mock.Mock(), _forget_lost=mock.Mock()),
        mock.patch.object(Lab, "_repair") as repaired,
    ):
        made["true_images"].releases.return_value = list(RELEASES.values())
        made["hosts"].is_up.return_value = False
        Lab(State(tmp_path / "lab")).up(names=("debian12", "el9"), first="fresh")
    started = {call.args[0].release.name: call.args[1] for call in repaired.call_args_list}
    assert started == {"debian12": "fresh", "el9": "fresh"}
