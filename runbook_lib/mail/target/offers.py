"""What of main.cf or of a service's own line takes STARTTLS or AUTH out of what 465 and 587 offer."""

import re
from collections.abc import Mapping

from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.target.decisions import Ruling, both
from runbook_lib.messages import message

DISCARDED, EXCEPTED = "smtpd_discard_ehlo_keywords", "smtpd_sasl_exceptions_networks"
_NEEDED = ("starttls", "auth")
_LEFT = message("465 and 587 inherit it, and go on offering STARTTLS and AUTH")


def withheld(settings: Mapping[str, str]) -> dict[str, str]:
    """Why users are not offered what they need, by the setting that does it; {} where nothing does.

    Args:
        settings: of a service, or of main.cf.

    Source: postconf(5), smtpd_discard_ehlo_keywords: the words are not offered in the answer to EHLO, in any case.
    """
    words = re.split(r"[\s,]+", settings.get(DISCARDED, "").lower())
    if out := [word.upper() for word in _NEEDED if word in words]:
        return {
            DISCARDED: message(
                "it takes {words} out of what 465 and 587 offer: nobody could log in there", words=both(out)
            )
        }
    return {}


def rulings(state: MailState) -> dict[str, Ruling]:
    """What such an entry of main.cf means for 465 and 587, by parameter."""
    out = withheld(state.main_cf)
    found = (
        {DISCARDED: Ruling(DISCARDED not in out, out.get(DISCARDED, _LEFT))}
        if DISCARDED in state.main_cf
        else {}
    )
    if networks := state.main_cf.get(EXCEPTED):
        why = message(
            "clients of {networks} are offered no login, on 465 and 587 too: whoever is there cannot submit mail",
            networks=networks,
        )
        found[EXCEPTED] = Ruling(True, why)
    return found
