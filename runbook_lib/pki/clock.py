"""The host's clock against the controller's: what starts in the host's future is not yet valid there."""

import os
import re
from datetime import UTC, date, datetime, timedelta

from runbook_lib.errors import ApplyRefused, AuthorityError, CommandFailed
from runbook_lib.messages import message

# Certificates start this much before now: a server, or a client, whose clock is a little behind would call a
# fresh one 'not yet valid' otherwise. It is also the most by which a host's clock may differ.
BACKDATE = timedelta(minutes=5)


# This was written later than that: a clock that shows less is wrong.
WRITTEN_AT = datetime(2026, 1, 1, tzinfo=UTC)

# So long may a CA rest, or this program lie on a disk, before a clock that shows as much is doubted.
AHEAD_MAX = timedelta(days=731)
TODAY = "RUNBOOK_TODAY"

_UNSIGNED = message("Nothing was signed.")
_SECONDS = re.compile(r"[0-9]{1,11}(\.[0-9]+)?")


def now_for_signing(where: str, known: datetime | None = None) -> datetime:
    """The controller's time, to the second, where it can be true: what is signed bears it for years.

    A clock that runs years ahead cannot be told from a CA that rested for years, so a person is asked: who
    knows the day says it in `$RUNBOOK_TODAY`.

    Args:
        where: the CA, for the message.
        known: the newest time that its ledger has.
    Raises:
        AuthorityError: the clock is behind what was written already, by more than 5 minutes; or two years after it, and
            nobody says that this is the day; or on another day than the one that is said. Nothing was signed.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    latest, what = WRITTEN_AT, message("this program was written after")
    if known is not None and known > latest:
        latest, what = known, message("the CA's ledger has a row of")
    if now < latest - BACKDATE:
        raise AuthorityError(
            message(
                "this machine's clock says {now}, and {what} {latest}: one of the two is wrong",
                now=_utc(now),
                what=what,
                latest=_utc(latest),
            ),
            where,
            message(
                "set the clock (chrony or systemd-timesyncd keep it right), then run this again; where "
                "the clock is right, the row was written by one that ran ahead, and what it signed has "
                "to be looked at."
            ),
            _UNSIGNED,
        )
    if not _is_the_day(now, where) and now - latest > AHEAD_MAX:
        raise AuthorityError(
            message(
                "this machine's clock says {now}, more than two years after {latest}, the newest time "
                "that is known here: what a clock signs that runs ahead is not valid for anybody yet",
                now=_utc(now),
                latest=_utc(latest),
            ),
            where,
            message(
                "set the clock (chrony or systemd-timesyncd keep it right); where it is right, say which "
                "day it is, by a calendar: {today}=YEAR-MONTH-DAY before the command.",
                today=TODAY,
            ),
            _UNSIGNED,
        )
    return now


def _is_the_day(now: datetime, where: str) -> bool:
    """Whether a person said that this is the day; one day is left for the zones of the earth."""
    said = os.environ.get(TODAY, "")
    if not said:
        return False
    try:
        day = date.fromisoformat(said)
    except ValueError:
        problem = message("{today} is '{said}', which is no day", today=TODAY, said=said)
        remedy = message("give year, month and day, such as 2027-01-15, or leave it out.")
        raise AuthorityError(problem, where, remedy, _UNSIGNED) from None
    if abs(day - now.date()) > timedelta(days=1):
        raise AuthorityError(
            message(
                "{today} says {said}, and this machine's clock says {now}: one of the two is wrong",
                today=TODAY,
                said=said,
                now=_utc(now),
            ),
            where,
            message("set the clock, then run this again."),
            _UNSIGNED,
        )
    return True


def told_time(told: str, where: str) -> datetime:
    """The time that a host told in seconds since 1970, as `date +%s` and `date +%s.%N` do.

    Raises:
        CommandFailed: it is no time, which says nothing about the clock.
    """
    if not _SECONDS.fullmatch(told):
        raise CommandFailed(
            message("the host does not tell its time in seconds, but '{told}'", told=told[:100]),
            where,
            message("see what `date -u +%s.%N` prints there: GNU's date is expected"),
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
    span = _spoken(abs(seconds))
    stated = (
        message("the host's clock is {span} behind the controller's", span=span)
        if seconds < 0
        else message("the host's clock is {span} ahead of the controller's", span=span)
    )
    if abs(skew) > BACKDATE:
        raise ApplyRefused(
            message(
                "{stated}: host {host_time}, controller {controller_time}; up to {most} are taken",
                stated=stated,
                host_time=_utc(host_time),
                controller_time=_utc(controller_time),
                most=_spoken(round(BACKDATE.total_seconds())),
            ),
            where,
            message(
                "set the clock that is wrong (chrony or systemd-timesyncd keep it right), then run this "
                "again."
            ),
        )
    if seconds == 0:
        return message("the host's clock agrees with the controller's")
    return stated


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")


def _spoken(seconds: int) -> str:
    if seconds >= 86_400:
        days = seconds // 86_400
        return message("1 day") if days == 1 else message("{days} days", days=days)
    if seconds >= 3_600:
        hours = seconds // 3_600
        return message("1 hour") if hours == 1 else message("{hours} hours", hours=hours)
    if seconds >= 60:
        minutes = seconds // 60
        return message("1 minute") if minutes == 1 else message("{minutes} minutes", minutes=minutes)
    return message("1 second") if seconds == 1 else message("{seconds} seconds", seconds=seconds)
