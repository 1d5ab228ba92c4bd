"""When changes may be made, as an inventory says it: weekly windows, and freezes in which nothing is changed."""

import difflib
from datetime import time
from functools import cache
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, model_validator

from runbook_lib.inventory.decisions import Reason
from runbook_lib.inventory.strict import Model
from runbook_lib.inventory.values import Day, all_different
from runbook_lib.messages import message

WeekDay = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_EVERY_DAY: tuple[WeekDay, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS_FROM, _DAYS_BEFORE = "2000", "2100"  # of the calendar there is more, of rules for clocks there is not


@cache
def _time_zones() -> frozenset[str]:
    """Those that are the same on every machine."""
    return frozenset(available_timezones() - {"localtime"})


def _time_zone(text: str) -> str:
    if text not in _time_zones():
        close = difflib.get_close_matches(text, sorted(_time_zones()), n=1)
        hint = (
            message("did you mean {close}?", close=close[0])
            if close
            else message("expected a name of the IANA list, such as Asia/Tokyo")
        )
        raise ValueError(message("is '{text}', which is no time zone; {hint}", text=text, hint=hint))
    return text


def _time_of_day(text: str) -> str:
    try:
        same = time.fromisoformat(text).isoformat("minutes") == text
    except ValueError:
        same = False
    if not same:
        raise ValueError(
            message("is '{text}', which is no time; expected hour and minute, such as 22:00", text=text)
        )
    return text


def _days(days: tuple[WeekDay, ...]) -> tuple[WeekDay, ...]:
    if not days:
        raise ValueError(
            message(
                "is empty, so it would never open; expected days as [sat, sun], or no such line: every day"
            )
        )
    return all_different(days)


TimeZone = Annotated[str, AfterValidator(_time_zone)]
TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]


class Window(Model):
    """A time of each week in which changes may be made."""

    days: Annotated[tuple[WeekDay, ...], AfterValidator(_days)] = Field(
        _EVERY_DAY, description=message("the days on which it opens; without them every day")
    )
    opens: TimeOfDay = Field(
        description=message("when it opens, by the time zone's clocks"), examples=["22:00"]
    )
    closes: TimeOfDay = Field(
        description=message("when it closes; at or before the time at which it opens, that of the next day"),
        examples=["04:00"],
    )

    @property
    def weekdays(self) -> frozenset[int]:
        """The days as `date.weekday` counts them."""
        return frozenset(map(_EVERY_DAY.index, self.days))


class Freeze(Model):
    """Whole days in which nothing is changed, whatever the windows say."""

    first_day: Day = Field(description=message("the first of the days"), examples=["2026-12-24"])
    last_day: Day = Field(description=message("the last of the days"), examples=["2027-01-03"])
    reason: Reason = Field(description=message("why, in a few words; it stands where apply is refused"))

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if not _DAYS_FROM <= self.first_day <= self.last_day < _DAYS_BEFORE:
            raise ValueError(
                message(
                    "begins on {first_day} and ends on {last_day}; expected a last day that is no earlier "
                    "than the first, both from {days_from} to before {days_before}",
                    first_day=self.first_day,
                    last_day=self.last_day,
                    days_from=_DAYS_FROM,
                    days_before=_DAYS_BEFORE,
                )
            )
        return self

    @property
    def told(self) -> str:
        """Its days and its reason, for a person."""
        return message(
            "freeze from {first_day} to {last_day} ({reason})",
            first_day=self.first_day,
            last_day=self.last_day,
            reason=self.reason,
        )


class Maintenance(Model):
    """When changes may be made. Freezes of site, group and host all hold; of windows the narrowest block's alone."""

    time_zone: TimeZone = Field(
        description=message("the time zone of windows and freezes, by its IANA name"), examples=["Asia/Tokyo"]
    )
    windows: tuple[Window, ...] = Field(
        (),
        description=message(
            "when changes may be made; a host's own, else its group's, else the site's; without any: always"
        ),
    )
    freezes: tuple[Freeze, ...] = Field(
        (), description=message("days in which nothing is changed, each with its reason")
    )

    @property
    def zone(self) -> ZoneInfo:
        """The rules of its clocks."""
        return ZoneInfo(self.time_zone)


class Group(Model):
    """What hosts that stand in for each other have in common."""

    maintenance: Maintenance = Field(description=message("when changes may be made on the group's hosts"))
