"""Postfix as the journals of runs know it: what of its configuration is compared by its value."""

import re

from runbook_lib.mail.configuration.postconf import MAIN_CF, MASTER_CF
from runbook_lib.messages import message
from runbook_lib.remote.drift import Entries, Service

POSTFIX = Service(
    unit="postfix",
    back="postfix_back",
    entries=(
        Entries(
            kind="setting",
            where=str(MAIN_CF),
            now=r"postconf -n 2>/dev/null | sed 's/^/now\tsetting\t/'",
            form=re.compile(r"now\t(setting)\t(?P<text>(?P<name>.+?) =.*)"),
            absent=message("not set"),
        ),
        Entries(
            kind="service",
            where=str(MASTER_CF),
            now=r"postconf -M 2>/dev/null | awk '{ $1 = $1; print }' | sed 's/^/now\tservice\t/'",
            form=re.compile(r"now\t(service)\t(?P<text>(?P<name>[^ ]+ [^ ]+) .*)"),
        ),
    ),
)

SERVICES = (POSTFIX,)  # whose configuration runs change on a host
