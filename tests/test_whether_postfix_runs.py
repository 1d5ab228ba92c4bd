"""Whether Postfix runs is asked as `postfix status` asks it, of its master's lock, and no line is logged."""

import pytest
from remote_hosts import connected
from supported import family_of

from lab import Lab
from runbook_lib.mail.configuration import state
from runbook_lib.remote.facts import gather

AS_IT_IS = {
    "runs": "postfix start 2>/dev/null || :; until postfix status 2>/dev/null; do sleep 0.1; done",
    "is stopped": "postfix stop 2>/dev/null; ! postfix status 2>/dev/null",
    "cannot read its settings": "mv /etc/postfix/main.cf /etc/postfix/main.cf.away",
}
AS_BEFORE = (
    "mv /etc/postfix/main.cf.away /etc/postfix/main.cf 2>/dev/null || :; postfix start 2>/dev/null || :"
)
LINES = "journalctl --sync; journalctl -q -o cat | grep -c 'the Postfix mail system is ' || :"


@pytest.mark.parametrize("scene", AS_IT_IS)
def test_it_is_what_postfix_status_says_and_leaves_no_line(lab: Lab, family_host: str, scene: str) -> None:
    lab.reset(family_host, "applied")
    family = family_of(family_host)
    question = {"running": state.questions(family, ())["running"]}
    try:
        lab.exec(family_host, AS_IT_IS[scene])
        told = lab.exec(family_host, "s=0; postfix status >/dev/null 2>&1 || s=$?; printf $s").decode()
        with connected(lab, family_host) as host:
            before = lab.exec(family_host, LINES)
            assert gather(host, question, root=True)["running"].status == int(told)
            host.needed_root = {}
            assert gather(host, question, root=True)["running"].status == int(told)
            assert lab.exec(family_host, LINES) == before
            assert bool(host.needed_root["running"]) == (scene != "cannot read its settings")
    finally:
        lab.exec(family_host, AS_BEFORE)
