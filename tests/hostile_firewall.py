"""Targets: what nft, iptables-save and ufw print on a host."""

import json

from hostile import Target, check_texts
from hostile_host import said_by
from hostile_inputs import EVIL, answers, bent, words
from hostile_words import IPTABLES, NFT_KEYS
from hypothesis import strategies as st

from runbook_lib.mail.firewall.look import Firewall
from runbook_lib.mail.probes.host_view import ShellHostView


def take_firewall(content: bytes) -> bool:
    """A firewall's listings, as a host prints them: something is said of each port, or that nobody could look."""
    firewall = ShellHostView(said_by(content)).firewall()
    _say_all(firewall)
    return not firewall.untold


def _say_all(firewall: Firewall) -> None:
    check_texts(firewall.untold)
    for is_v6 in (False, True):
        check_texts(firewall.words((25, 465, 587), is_v6=is_v6).values())
        check_texts(told for port in (25, 465) if (told := firewall.doubt(port, is_v6=is_v6)))


_iptables_words = st.sampled_from(IPTABLES)
_iptables_line = st.one_of(
    st.sampled_from(
        ("*filter", ":INPUT DROP [0:0]", ":INPUT", ":ufw-user-input - [0:0]", "COMMIT", "*nat", ":")
    ),
    st.lists(st.one_of(_iptables_words, words), max_size=9).map(lambda found: "-A INPUT " + " ".join(found)),
    st.builds("-A {}".format, words),
    words,
)
_iptables = st.lists(_iptables_line, max_size=10).map(lambda lines: "\n".join(["*filter", *lines]))

_json = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        words,
        st.sampled_from(("@ports", "lo", "tcp", "new", "==", "!=", "input", "filter", "inet", 25, 6)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(NFT_KEYS),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)
_match = st.fixed_dictionaries(
    {
        "match": st.fixed_dictionaries(
            {
                "op": st.sampled_from(("==", "!=", "in")),
                "left": st.one_of(
                    st.sampled_from(
                        (
                            {"payload": {"protocol": "tcp", "field": "dport"}},
                            {"meta": {"key": "l4proto"}},
                            {"meta": {"key": "iifname"}},
                            {"ct": {"key": "state"}},
                        )
                    ),
                    _json,
                ),
                "right": _json,
            }
        )
    }
)
_expression = st.one_of(
    _match,
    _json,
    st.sampled_from(({"drop": None}, {"accept": None}, {"jump": {"target": "c"}}, {"counter": {}})),
)
_place = {"family": st.sampled_from(("inet", "ip", "ip6", "bridge")), "table": st.just("filter")}
_nft_item = st.one_of(
    st.builds(
        lambda chain: {"chain": chain},
        st.fixed_dictionaries(
            {**_place, "name": st.sampled_from(("input", "c", EVIL[0]))},
            optional={
                "type": st.just("filter"),
                "hook": st.sampled_from(("input", "output")),
                "policy": st.one_of(st.just("drop"), _json),
            },
        ),
    ),
    st.builds(
        lambda rule: {"rule": rule},
        st.fixed_dictionaries(
            {
                **_place,
                "chain": st.sampled_from(("input", "c")),
                "handle": st.one_of(st.just(4), _json),
                "expr": st.one_of(st.lists(_expression, max_size=4), _json),
            }
        ),
    ),
    _json,
)
_nft = st.one_of(
    st.lists(_nft_item, max_size=5).map(lambda items: json.dumps({"nftables": items})),
    _json.map(json.dumps),
    words,
)


_firewalls = answers(
    st.just("0"), _nft, words, st.just("0"), _iptables, words,
    st.just("0"), _iptables, words, st.sampled_from(("0", "127", "x")), words, words,
)  # fmt: skip

TARGETS = (Target("firewall", take_firewall, st.one_of(_firewalls, bent(_firewalls))),)
