"""The host's clock against the controller's: what starts in the host's future is not yet valid there."""

import re
from datetime import UTC, datetime, timedelta

from runbook_lib.errors import ApplyRefused, CommandFailed

# Certificates start this much before now: a server, or a client, whose clock is a little behind would call a
# fresh one 'not yet valid' otherwise. It is also the most by which a host's clock may differ.
BACKDATE = timedelta(minutes=5)


_SECONDS = re.compile(r"[0-9]{1,11}(\.[0-9]+)?")


def told_time(told: str, where: str) -> datetime:
    """The time that a host told in seconds since 1970, as `date +%s` and `date +%s.%N` do.

    Raises:
        CommandFailed: it is no time, which says nothing about the clock.
    """
    if not _SECONDS.fullmatch(told):
        raise CommandFailed(
            f"the host does not tell its time in seconds, but '{told[:100]}'",
            where,
            "see what `date -u +%s.%N` prints there: GNU's date is expected",
        )
    return datetime.fromtimestamp(float(told), UTC)


def check_clock_skew(host_time: datetime, controller_time: datetime, where: str) -> str:
    """Compare two clocks, read at the same moment.

    Args:
        host_time, controller_time: aware times.
        where: the host, for the message.
    Returns: one sentence that states the skew.
    Raises:
        ApplyRefused: they differ by more than 5 minutes; names both times in UTC.
    """
    skew = host_time - controller_time
    seconds = round(skew.total_seconds())
    direction = "behind" if seconds < 0 else "ahead of"
    stated = f"the host's clock is {_spoken(abs(seconds))} {direction} the controller's"
    if abs(skew) > BACKDATE:
        raise ApplyRefused(
            f"{stated}: host {_utc(host_time)}, controller {_utc(controller_time)}; "
            f"up to {_spoken(round(BACKDATE.total_seconds()))} are taken",
            where,
            "set the clock that is wrong (chrony or systemd-timesyncd keep it right), then run this again.",
        )
    if seconds == 0:
        return "the host's clock agrees with the controller's"
    return stated


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")


def _spoken(seconds: int) -> str:
    units = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
    size, name = next(unit for unit in units if seconds >= unit[0] or unit[0] == 1)
    count = seconds // size
    return f"{count} {name}{'' if count == 1 else 's'}"
