"""What a run left and is otherwise now, from what the host prints; the last run to write a thing counts."""

import re

import pytest

from runbook_lib.errors import CommandFailed
from runbook_lib.mail.configuration.journaled import POSTFIX
from runbook_lib.remote.drift import Drifted, Entries, Service, drifted, fact
from runbook_lib.remote.facts import Fact

END = "all was read"
FILE, OTHER = "file 644 root:root aa", "file 644 root:root bb"
RUN1, RUN2 = "20261125T000000Z-aaaa", "20261126T000000Z-bbbb"

CASES = {
    "as it was left": ([f"left\t1.001\t{RUN1}\tpath\t/a\t{FILE}", f"now\tpath\t/a\t{FILE}"], []),
    "changed": (
        [f"left\t1.001\t{RUN1}\tpath\t/a\t{FILE}", f"now\tpath\t/a\t{OTHER}"],
        [Drifted("/a", RUN1, FILE, OTHER)],
    ),
    "removed": (
        [f"left\t1.001\t{RUN1}\tpath\t/a\t{FILE}", "now\tpath\t/a\tabsent"],
        [Drifted("/a", RUN1, FILE, "absent")],
    ),
    "the tenth run counts, not the ninth, and not the order of lines": (
        [f"left\t10.002\t{RUN2}\tpath\t/a\t{OTHER}",
         f"left\t9.011\t{RUN1}\tpath\t/a\t{FILE}", f"now\tpath\t/a\t{FILE}"],
        [Drifted("/a", RUN2, OTHER, FILE)],
    ),
    "a later change of the same run counts": (
        [f"left\t1.002\t{RUN1}\tpath\t/a\t{OTHER}",
         f"left\t1.001\t{RUN1}\tpath\t/a\t{FILE}", f"now\tpath\t/a\t{OTHER}"],
        [],
    ),
    "a setting, an empty one, and one that was removed": (
        [f"left\t1.001\t{RUN1}\tsetting\ta\ta = 1", f"left\t1.001\t{RUN1}\tsetting\tb\tb =",
         f"left\t1.001\t{RUN1}\tsetting\tc\t-", "now\tsetting\ta = 1", "now\tsetting\tb =", "now\tsetting\tab = 2"],
        [],
    ),
    "a setting that somebody removed, and one that came back": (
        [f"left\t1.001\t{RUN1}\tsetting\ta\ta = 1", f"left\t1.001\t{RUN1}\tsetting\tc\t-", "now\tsetting\tc = x = y"],
        [Drifted("/etc/postfix/main.cf, a", RUN1, "a = 1", "not set"),
         Drifted("/etc/postfix/main.cf, c", RUN1, "not set", "c = x = y")],
    ),
    "a service": (
        [f"left\t1.001\t{RUN1}\tservice\tsubmission/inet\tsubmission inet n - y - - smtpd",
         "now\tservice\tsubmission inet n - n - - smtpd", "now\tservice\tsubmission unix n - y - - smtpd"],
        [Drifted("/etc/postfix/master.cf, submission/inet", RUN1, "submission inet n - y - - smtpd",
                 "submission inet n - n - - smtpd")],
    ),
    "a unit": (
        [f"left\t1.001\t{RUN1}\tunit\tsaslauthd\tactive", "now\tunit\tsaslauthd\tfailed"],
        [Drifted("unit saslauthd", RUN1, "active", "failed")],
    ),
    "what firewalld keeps beside its file is its own": (
        [f"left\t1.001\t{RUN1}\tpath\t/z/public.xml.old\t{FILE}", f"now\tpath\t/z/public.xml.old\t{OTHER}"],
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_otherwise_is_told(case: str) -> None:
    lines, expected = CASES[case]
    assert list(drifted(Fact("\n".join([*lines, END]), 0), [POSTFIX])) == expected


def test_a_service_beside_postfix_needs_no_change_below_it() -> None:
    """A made-up one: its own file of entries, its own unit; what is asked of the host has nothing of Postfix."""
    form = re.compile(r"now\t(option)\t(?P<text>(?P<name>\w+)=.*)")
    pop = Service("popd", "popd_back", (Entries("option", "/etc/popd.conf", "popconf", form, "gone"),))
    script = fact([pop])["drift"]
    assert "popconf" in script
    assert '/^popd_back / { left("unit", "popd\\tactive") }' in script
    assert '"$n.options"' in script
    assert "post" not in script
    lines = [f"left\t1.001\t{RUN1}\toption\t{name}\t{name}=1" for name in "ab"] + ["now\toption\ta=2", END]
    found = [
        Drifted("/etc/popd.conf, a", RUN1, "a=1", "a=2"),
        Drifted("/etc/popd.conf, b", RUN1, "b=1", "gone"),
    ]
    assert list(drifted(Fact("\n".join(lines), 0), [pop])) == found
    both = fact([POSTFIX, pop])["drift"]
    assert (both.count("popconf"), both.count("postconf -M")) == (1, 1)
    lines[:0] = [f"left\t1.002\t{RUN1}\tsetting\ta\ta = 1", "now\tsetting\ta = 2"]
    told = {one.what: one for one in drifted(Fact("\n".join(lines), 0), [POSTFIX, pop])}
    main_cf = "/etc/postfix/main.cf, a"
    assert told == {one.what: one for one in found} | {main_cf: Drifted(main_cf, RUN1, "a = 1", "a = 2")}


@pytest.mark.parametrize("text", ["", f"left\t1.001\t{RUN1}\tpath\t/a\t{FILE}"])
def test_a_look_that_did_not_get_to_its_end_is_not_taken_for_no_change(text: str) -> None:
    with pytest.raises(CommandFailed, match="could not be compared to the end"):
        drifted(Fact(text, 124), [POSTFIX])
