"""Verification from outside: what a mail server shows to those who connect to the name that users type.

    survey = Survey(target, view)   # one look; a new one after each change on the host
    no_auth_in_clear(survey)        # each claim is a function from a survey to rows
    verify(target, view)            # all of them

A claim's text (`NO_AUTH_IN_CLEAR`, …) is the heading over its rows. No SSH in here: what only the host can
tell comes in as a `HostView`.
"""

from runbook_lib.mail.probes.certificate import (
    CHAIN_VALIDATES,
    DAYS_LEFT,
    NAMES_COVERED,
    SERIAL_ON_EACH_PORT,
    chain_validates,
    days_left,
    names_covered,
    serial_on_each_port,
)
from runbook_lib.mail.probes.clear import (
    NO_AUTH_IN_CLEAR,
    NO_MAIL_BEFORE_STARTTLS,
    ONLY_TLS_ON_465,
    STARTTLS_OFFERED,
    no_auth_in_clear,
    no_mail_before_starttls,
    only_tls_on_465,
    starttls_offered,
)
from runbook_lib.mail.probes.delivery import MESSAGE_ARRIVES, message_arrives
from runbook_lib.mail.probes.exchanges import NO_LOGIN_IS_REFUSED, no_login_is_refused
from runbook_lib.mail.probes.kinds import ONE_KIND_ALONE, one_kind_alone_served
from runbook_lib.mail.probes.limits import LOGIN_IS_NARROW, login_is_narrow
from runbook_lib.mail.probes.login import (
    AUTH_AFTER_TLS,
    RIGHT_PASSWORD_ACCEPTED,
    UNKNOWN_NAME_REFUSED,
    WRONG_PASSWORD_REFUSED,
    auth_after_tls,
    right_password_accepted,
    unknown_name_refused,
    wrong_password_refused,
)
from runbook_lib.mail.probes.naming import SAYS_WHO_IT_IS, says_who_it_is
from runbook_lib.mail.probes.protocol import (
    NEW_VERSIONS_ACCEPTED,
    OLD_VERSIONS_REFUSED,
    new_versions_accepted,
    old_versions_refused,
)
from runbook_lib.mail.probes.relay import (
    NO_RELAY_WITHOUT_LOGIN,
    SMTPUTF8_AS_OFFERED,
    no_relay_without_login,
    smtputf8_as_offered,
)
from runbook_lib.mail.probes.row import WARNING, Row, Verdict, warning
from runbook_lib.mail.probes.standing import PORTS_REACHED, ports_reached
from runbook_lib.mail.probes.survey import Survey
from runbook_lib.mail.probes.taking import MAIL_TAKEN_ON_25, mail_taken_on_25
from runbook_lib.mail.probes.target import Account, Kept, Target
from runbook_lib.mail.probes.tlsa import TLSA_MATCHES, tlsa_matches
from runbook_lib.mail.probes.vantage import Vantage
from runbook_lib.mail.probes.verify import CLAIMS, NAME_RESOLVES, asked, name_resolves, verify

__all__ = [
    "AUTH_AFTER_TLS",
    "CHAIN_VALIDATES",
    "CLAIMS",
    "DAYS_LEFT",
    "LOGIN_IS_NARROW",
    "MAIL_TAKEN_ON_25",
    "MESSAGE_ARRIVES",
    "NAMES_COVERED",
    "NAME_RESOLVES",
    "NEW_VERSIONS_ACCEPTED",
    "NO_AUTH_IN_CLEAR",
    "NO_LOGIN_IS_REFUSED",
    "NO_MAIL_BEFORE_STARTTLS",
    "NO_RELAY_WITHOUT_LOGIN",
    "OLD_VERSIONS_REFUSED",
    "ONE_KIND_ALONE",
    "ONLY_TLS_ON_465",
    "PORTS_REACHED",
    "RIGHT_PASSWORD_ACCEPTED",
    "SAYS_WHO_IT_IS",
    "SERIAL_ON_EACH_PORT",
    "SMTPUTF8_AS_OFFERED",
    "STARTTLS_OFFERED",
    "TLSA_MATCHES",
    "UNKNOWN_NAME_REFUSED",
    "WARNING",
    "WRONG_PASSWORD_REFUSED",
    "Account",
    "Kept",
    "Row",
    "Survey",
    "Target",
    "Vantage",
    "Verdict",
    "asked",
    "auth_after_tls",
    "chain_validates",
    "days_left",
    "login_is_narrow",
    "mail_taken_on_25",
    "message_arrives",
    "name_resolves",
    "names_covered",
    "new_versions_accepted",
    "no_auth_in_clear",
    "no_login_is_refused",
    "no_mail_before_starttls",
    "no_relay_without_login",
    "old_versions_refused",
    "one_kind_alone_served",
    "only_tls_on_465",
    "ports_reached",
    "right_password_accepted",
    "says_who_it_is",
    "serial_on_each_port",
    "smtputf8_as_offered",
    "starttls_offered",
    "tlsa_matches",
    "unknown_name_refused",
    "verify",
    "warning",
    "wrong_password_refused",
]
