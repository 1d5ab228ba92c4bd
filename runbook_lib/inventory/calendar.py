"""A host's calendar: whether changes may be made on it at a moment, and when that changes.

Windows and freezes are spans of real time. Each begins and ends at the first moment at which the clocks of its time
zone show that time, or a later one: a time that is skipped when clocks go forward is the moment at which they do, and
of a time that comes twice when they go back it is the first. So nothing is open after its end was shown once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from runbook_lib.inventory.maintenance import Freeze, Window
from runbook_lib.inventory.models import Host, Site
from runbook_lib.messages import message

_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
_WEEKS = 8  # a window whose times are skipped by the clocks opens in one of the next weeks


@dataclass(frozen=True)
class Span:
    """A stretch of time, its end outside of it."""

    begins: datetime
    ends: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.begins <= moment < self.ends


@dataclass(frozen=True)
class Calendar:
    """When changes may be made on a host.

    Args:
        zone: in which moments are told.
        windows: the weekly ones, each with its time zone; none: always.
        freezes: each with its time zone.
    """

    zone: ZoneInfo
    windows: tuple[tuple[Window, ZoneInfo], ...] = ()
    freezes: tuple[tuple[Freeze, ZoneInfo], ...] = ()

    def closed(self, now: datetime) -> str:
        """Why nothing may be changed at a moment; '' where it may be."""
        for freeze, zone in self.freezes:
            if now in _frozen(freeze, zone):
                return freeze.told
        if self._window_ends(now) or not self.windows:
            return ""
        return message("outside of its maintenance windows")

    def opens(self, now: datetime) -> datetime:
        """The first moment from `now` on at which changes may be made."""
        while self.closed(now):
            frozen = [_frozen(freeze, zone) for freeze, zone in self.freezes]
            now = max((span.ends for span in frozen if now in span), default=now)
            if self.windows and not self._window_ends(now):
                now = min(span.begins for span in self._spans(now) if span.begins > now)
        return now

    def closes(self, now: datetime) -> datetime | None:
        """When what is open at `now` closes; None: by no window and no freeze that is known."""
        ends = [begins for freeze, zone in self.freezes if (begins := _frozen(freeze, zone).begins) > now]
        moment, beyond = now, now + _WEEKS * 7 * _DAY
        while self.windows and moment < beyond and (later := self._window_ends(moment)):
            moment = later  # where one window begins as another ends, it stays open
        if self.windows and moment < beyond:
            ends.append(moment)
        return min(ends, default=None)

    def told(self, now: datetime) -> str:
        """How it stands at a moment, for a person; '' where the inventory says nothing of it."""
        if not (self.windows or self.freezes):
            return ""
        if why := self.closed(now):
            opens = self.shown(self.opens(now))
            return message("no changes now: {why}; it opens {time}", why=why, time=opens)
        closes = self.closes(now)
        if closes is None:
            return message("changes may be made now")
        return message("changes may be made now, until {time}", time=self.shown(closes))

    def shown(self, moment: datetime) -> str:
        """A moment by the clocks of the host's time zone, with their distance to UTC."""
        return f"{moment.astimezone(self.zone).isoformat(' ', 'minutes')} ({self.zone.key})"

    def _window_ends(self, now: datetime) -> datetime | None:
        """The end of the window that is open at a moment, the latest where there are several; None: none is open."""
        return max((span.ends for span in self._spans(now, days=2) if now in span), default=None)

    def _spans(self, now: datetime, days: int = _WEEKS * 7) -> Iterator[Span]:
        """The windows of the days around a moment, from two days before on."""
        for window, zone in self.windows:
            today = now.astimezone(zone).date()
            for day in (today + number * _DAY for number in range(-2, days)):
                if day.weekday() in window.weekdays:
                    yield _open(window, zone, day)


def of(site: Site, host: Host) -> Calendar:
    """The calendar of a host, by what the inventory says of it, of its group, and of the site."""
    group = site.groups.get(host.group or "")
    there = [one for one in (host.maintenance, group and group.maintenance, site.maintenance) if one]
    if not there:
        return Calendar(ZoneInfo("UTC"))
    windows = next((block for block in there if block.windows), there[0])
    return Calendar(
        there[0].zone,
        tuple((window, windows.zone) for window in windows.windows),
        tuple((freeze, block.zone) for block in there for freeze in block.freezes),
    )


def _open(window: Window, zone: ZoneInfo, day: date) -> Span:
    opens, closes = time.fromisoformat(window.opens), time.fromisoformat(window.closes)
    last = day if closes > opens else day + _DAY
    return Span(
        first_shown(datetime.combine(day, opens), zone), first_shown(datetime.combine(last, closes), zone)
    )


def _frozen(freeze: Freeze, zone: ZoneInfo) -> Span:
    first, last = date.fromisoformat(freeze.first_day), date.fromisoformat(freeze.last_day)
    midnights = (datetime.combine(day, time()) for day in (first, last + _DAY))
    return Span(*(first_shown(midnight, zone) for midnight in midnights))


def first_shown(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment, in UTC, at which clocks show a time of day or a later one.

    Args:
        wall: what they show, without a zone.
    """
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(moment, zone) == wall:
        return moment
    # Skipped: PEP 495 has fold=0 lead behind the moment at which the clocks go forward, and fold=1 before it.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while moment - before > _SECOND:
        middle = before + (moment - before) // (2 * _SECOND) * _SECOND
        before, moment = (before, middle) if _wall(middle, zone) >= wall else (middle, moment)
    return moment


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)
