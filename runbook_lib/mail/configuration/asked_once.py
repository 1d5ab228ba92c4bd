"""What several facts of one look ask of postconf(1): asked once, before the first of them.

On a host a program costs more than all that it prints. So the commands of a look are searched for what they ask of
postconf by name, and one start of it answers all of them. A command is written as if this were not here.
"""

import re
from collections.abc import Iterable
from importlib import resources

# Also for a shell that is started meanwhile, as another user, which has no more of the look than its variables.
FUNCTIONS = r"""
_ask_postconf() {
  case ${1:-} in
  -m | -a | -A | -l) ;;
  *) if [ -n "${_postconf_refused:-}" ]; then printf '%s\n' "$_postconf_refused" >&2; return 1; fi ;;
  esac
  command postconf "$@"
}
postconf() { _ask_postconf "$@"; }
"""
_SH = resources.files(__package__).joinpath("asked_once.sh").read_text()
_NAME = r"[a-z][a-z0-9_]+"
_BY_NAME = re.compile(rf"\bpostconf -(hx?) ({_NAME}(?: {_NAME})*)")
_ALONE = r"(?!\w)(?! +[A-Za-z_$'\"-])"  # no name behind it
_WHOLE = {
    "ask_settings": re.compile(rf"\bpostconf -n{_ALONE}"),
    "ask_services": re.compile(rf"\bpostconf -M{_ALONE}"),
}
_ASKS = {"h": "ask_values", "hx": "ask_expanded"}


def lines(commands: Iterable[str]) -> str:
    """Lines of sh for `gather` to run ahead of these commands; '' where nothing is asked twice.

    Args:
        commands: those of a look, as text. What is made of variables is not found in them, and asked as it stands.
    """
    text = "\n".join(commands)
    asks = []
    for kind, words in _ASKS.items():
        asked = [names for found, names in _BY_NAME.findall(text) if found == kind]
        if len(asked) > 1:
            asks.append(f"{words} {' '.join(dict.fromkeys(' '.join(asked).split(' ')))}\n")
    asks += [f"{words}\n" for words, pattern in _WHOLE.items() if len(pattern.findall(text)) > 1]
    return f"{FUNCTIONS}{_SH}{''.join(asks)}" if asks else ""
