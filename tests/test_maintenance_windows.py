"""When changes may be made: windows and freezes, by the clocks of a time zone, also where those are set."""

import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runbook_lib import inventory
from runbook_lib.errors import InventoryError
from runbook_lib.inventory import calendar
from runbook_lib.inventory.calendar import Calendar, first_shown
from runbook_lib.inventory.maintenance import Freeze, WeekDay, Window

DAYS: tuple[WeekDay, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BERLIN, TOKYO, NEW_YORK = map(ZoneInfo, ("Europe/Berlin", "Asia/Tokyo", "America/New_York"))
SECOND = timedelta(seconds=1)
CHECKOUT = Path(__file__).resolve().parents[1]

INVENTORY = """\
site:
  name: Example
  domain: example.jp
  ca: {passphrase: "env:CA_PASSPHRASE"}
  maintenance:
    time_zone: Asia/Tokyo
    windows: [{days: [sat, sun], opens: "22:00", closes: "04:00"}]
    freezes: [{first_day: "2026-12-24", last_day: "2027-01-03", reason: the year's end}]
  groups:
    mx:
      maintenance: {time_zone: Europe/Berlin, windows: [{days: [tue], opens: "01:00", closes: "03:00"}]}
hosts:
  mail1:
    address: 192.0.2.25
    certificate: {key_passphrase: "env:KEY_PASSPHRASE"}
    names: {smtp: mail.example.jp}
  mx1:
    address: 192.0.2.26
    certificate: {key_passphrase: "env:KEY_PASSPHRASE"}
    names: {smtp: mx1.example.jp}
    group: mx
  mx2:
    address: 192.0.2.27
    certificate: {key_passphrase: "env:KEY_PASSPHRASE"}
    names: {smtp: mx2.example.jp}
    group: mx
    maintenance:
      time_zone: America/New_York
      freezes: [{first_day: "2026-11-26", last_day: "2026-11-26", reason: Thanksgiving}]
"""


def book(text: str = INVENTORY) -> inventory.Inventory:
    return inventory.parse(Path("site.yaml"), text.encode())


def of(host: str) -> Calendar:
    there = book()
    return calendar.of(there.site, there.host(host))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def weekly(opens: str, closes: str, zone: ZoneInfo, *days: WeekDay) -> Calendar:
    return Calendar(zone, ((Window(days=days or DAYS, opens=opens, closes=closes), zone),))


@pytest.mark.parametrize(
    ("host", "now", "told"),
    [
        ("mail1", "2026-12-04T12:00", "no changes now: outside of its maintenance windows; it opens 2026-12-05 "
         "22:00+09:00 (Asia/Tokyo)"),
        ("mail1", "2026-12-05T13:00", "changes may be made now, until 2026-12-06 04:00+09:00 (Asia/Tokyo)"),
        ("mail1", "2026-12-05T18:59", "changes may be made now, until 2026-12-06 04:00+09:00 (Asia/Tokyo)"),
        ("mail1", "2026-12-05T19:00", "no changes now: outside of its maintenance windows; it opens 2026-12-06 "
         "22:00+09:00 (Asia/Tokyo)"),
        # Saturday's window of 26 December and that of 2 January are in the freeze, which ends on a Sunday.
        ("mail1", "2026-12-26T13:30", "no changes now: freeze from 2026-12-24 to 2027-01-03 (the year's end); it opens "
         "2027-01-04 00:00+09:00 (Asia/Tokyo)"),
        ("mx1", "2026-12-01T00:00", "changes may be made now, until 2026-12-01 03:00+01:00 (Europe/Berlin)"),
        ("mx1", "2026-12-29T00:30", "no changes now: freeze from 2026-12-24 to 2027-01-03 (the year's end); it opens "
         "2027-01-05 01:00+01:00 (Europe/Berlin)"),
        # Its own block has no windows, so its group's hold, told by its own clocks.
        ("mx2", "2026-11-26T12:00", "no changes now: freeze from 2026-11-26 to 2026-11-26 (Thanksgiving); it opens "
         "2026-11-30 19:00-05:00 (America/New_York)"),
    ],
)  # fmt: skip
def test_a_host_is_told_when_changes_may_be_made(host: str, now: str, told: str) -> None:
    assert of(host).told(utc(now)) == told


def test_a_window_ends_where_a_freeze_begins() -> None:
    days = weekly("22:00", "04:00", TOKYO, "wed")
    freeze = Freeze(first_day="2026-12-24", last_day="2026-12-24", reason="the year's end")
    frozen = Calendar(days.zone, days.windows, ((freeze, TOKYO),))
    assert days.closes(utc("2026-12-23T14:00")) == utc("2026-12-23T19:00")
    assert frozen.closes(utc("2026-12-23T14:00")) == utc("2026-12-23T15:00")


def test_windows_that_follow_each_other_are_one() -> None:
    assert weekly("00:00", "00:00", BERLIN, "sat", "sun").closes(utc("2026-12-05T12:00")) == utc(
        "2026-12-06T23:00"
    )
    assert weekly("00:00", "00:00", BERLIN).closes(utc("2026-12-05T12:00")) is None


def test_without_a_word_of_it_changes_may_always_be_made() -> None:
    text = (
        INVENTORY[: INVENTORY.index("  maintenance")]
        + INVENTORY[INVENTORY.index("hosts:") : INVENTORY.index("  mx1")]
    )
    there = book(text)
    days = calendar.of(there.site, there.host("mail1"))
    assert (days.closed(utc("2026-12-26T13:30")), days.told(utc("2026-12-26T13:30"))) == ("", "")


@pytest.mark.parametrize(
    ("days", "closed", "open_"),
    [
        # 2027-03-28 in Berlin: from 02:00 to 03:00, at 01:00 UTC. A window that opens in between opens then.
        (weekly("02:30", "05:00", BERLIN), "2027-03-28T00:59:59", "2027-03-28T01:00"),
        # 2026-10-25 there: from 03:00 back to 02:00, at 01:00 UTC. It opens at the first 02:30.
        (weekly("02:30", "05:00", BERLIN), "2026-10-25T00:29:59", "2026-10-25T00:30"),
        # One that closes at 02:30 closes at the first, and does not open again at the second.
        (weekly("22:00", "02:30", BERLIN), "2026-10-25T00:30", "2026-10-25T00:29:59"),
        (weekly("22:00", "02:30", BERLIN), "2026-10-25T01:15", "2026-10-24T20:00"),
        # One that closes at a time that is skipped closes as the clocks go forward.
        (weekly("22:00", "02:30", BERLIN), "2027-03-28T01:00", "2027-03-28T00:59:59"),
        # Samoa had no 30 December 2011.
        (weekly("00:00", "00:00", ZoneInfo("Pacific/Apia"), "fri"), "2011-12-30T10:00", "2012-01-06T00:00"),
    ],
)  # fmt: skip
def test_the_days_on_which_clocks_are_set(days: Calendar, closed: str, open_: str) -> None:
    assert days.closed(utc(closed)) == "outside of its maintenance windows"
    assert days.closed(utc(open_)) == ""


def test_a_window_that_is_skipped_opens_the_week_after() -> None:
    days = weekly("02:10", "02:50", BERLIN, "sun")
    assert days.opens(utc("2027-03-27T12:00")) == utc("2027-04-04T00:10")


zones = st.sampled_from(sorted(available_timezones() - {"localtime"})).map(ZoneInfo)
moments = st.datetimes(datetime.fromisoformat("2005-01-01"), datetime.fromisoformat("2045-01-01")).map(
    lambda wall: wall.replace(microsecond=0)
)
times = st.times().map(lambda of: of.isoformat("minutes"))
windows = st.builds(
    Window,
    days=st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True).map(tuple),
    opens=times,
    closes=times,
)
midnights = st.dates(date(2005, 1, 1), date(2044, 1, 1))


@st.composite
def freezes(draw: st.DrawFn) -> Freeze:
    first = draw(midnights)
    last = first + timedelta(days=draw(st.integers(0, 40)))
    return Freeze(first_day=first.isoformat(), last_day=last.isoformat(), reason="stocktaking")


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    zone = draw(zones)
    weekly_ones = draw(st.lists(st.tuples(windows, st.just(zone)), max_size=3))
    frozen = draw(st.lists(st.tuples(freezes(), zones), max_size=3))
    return Calendar(zone, tuple(weekly_ones), tuple(frozen))


@given(moments, zones)
@example(datetime.fromisoformat("2027-03-28T02:30"), BERLIN)
@example(datetime.fromisoformat("2026-10-25T02:30"), BERLIN)
@example(datetime.fromisoformat("2011-12-30"), ZoneInfo("Pacific/Apia"))
def test_the_first_moment_at_which_clocks_show_a_time(wall: datetime, zone: ZoneInfo) -> None:
    """Then they show it or, where it is skipped, a later one; and never before."""
    moment = first_shown(wall, zone)

    def shown(at: datetime) -> datetime:
        return at.astimezone(zone).replace(tzinfo=None)

    assert shown(moment) >= wall
    for seconds in (1, 60, 1799, 3599, 7200, 86_400):
        assert shown(moment - seconds * SECOND) < wall


@settings(deadline=None)
@given(calendars(), moments)
def test_what_opens_is_open_and_was_closed_until_then(days: Calendar, wall: datetime) -> None:
    now = wall.replace(tzinfo=UTC)
    opens = days.opens(now)
    assert opens >= now
    assert days.closed(opens) == ""
    assert bool(days.closed(now)) == (opens > now)
    if opens > now:
        assert days.closed(opens - SECOND)


@settings(deadline=None)
@given(calendars(), moments)
def test_what_closes_is_closed_and_was_open_until_then(days: Calendar, wall: datetime) -> None:
    opens = days.opens(wall.replace(tzinfo=UTC))
    closes = days.closes(opens)
    if closes is None:
        assert all(days.closed(opens + timedelta(hours=hours)) == "" for hours in range(24 * 14))
    else:
        assert closes > opens
        assert days.closed(closes)
        assert days.closed(closes - SECOND) == ""


@settings(deadline=None)
@given(calendars(), moments, st.lists(st.integers(0, 14 * 86_400), min_size=1, max_size=30))
def test_in_between_nothing_is_open(days: Calendar, wall: datetime, later: list[int]) -> None:
    now = wall.replace(tzinfo=UTC)
    opens = days.opens(now)
    for moment in (now + timedelta(seconds=seconds) for seconds in later):
        if moment < opens:
            assert days.closed(moment)


@settings(deadline=None)
@given(windows, zones, moments)
def test_a_window_is_open_as_its_clocks_read_where_none_is_set(
    window: Window, zone: ZoneInfo, wall: datetime
) -> None:
    """The plain reading, by the wall clock alone: right on each day on which nobody sets the clocks."""
    now = wall.replace(tzinfo=UTC)
    around = {(now + timedelta(hours=hours)).astimezone(zone).utcoffset() for hours in range(-50, 51)}
    local = now.astimezone(zone)
    opens, closes = time.fromisoformat(window.opens), time.fromisoformat(window.closes)
    today, yesterday = DAYS[local.weekday()] in window.days, DAYS[(local.weekday() - 1) % 7] in window.days
    read = local.time()
    if opens < closes:
        reads_open = today and opens <= read < closes
    else:
        reads_open = (today and read >= opens) or (yesterday and read < closes)
    if len(around) == 1:
        assert (Calendar(zone, ((window, zone),)).closed(now) == "") == reads_open


WRONG = [
    ("time_zone: Asia/Tokyo", "time_zone: Asia/Tokio", "6:16: site.maintenance.time_zone is 'Asia/Tokio', which is no "
     "time zone; did you mean Asia/Tokyo?"),
    ("time_zone: Asia/Tokyo", "time_zone: localtime", "6:16: site.maintenance.time_zone is 'localtime', which is no "),
    ("time_zone: Asia/Tokyo", "time_zone: ../../etc/passwd", "time_zone is '../../etc/passwd', which is no time zone"),
    ("    time_zone: Asia/Tokyo\n", "", "site.maintenance.time_zone is missing; expected a text (the time zone of"),
    ('opens: "22:00"', "opens: 9:00", "site.maintenance.windows[0].opens is '9:00', which is no time; expected hour"),
    ('closes: "04:00"', "closes: 24:00", "windows[0].closes is '24:00', which is no time; expected hour and minute"),
    ("days: [sat, sun]", "days: [sat, sat]", "site.maintenance.windows[0].days has sat twice; expected each once"),
    ("days: [sat, sun]", "days: []", "days is empty, so it would never open; expected days as [sat, sun]"),
    ("days: [sat, sun]", "days: [saturday]", "days[0] is 'saturday', text; expected mon or tue or wed or"),
    ("windows: [{days: [sat", "windows: [22:00, {days: [sat", "windows[0] is text; expected a block with days, opens"),
    ('first_day: "2026-12-24"', "first_day: 2026-12-24", 'is 2026-12-24, a date; expected a text (the first of the '
     'days); write "2026-12-24" in quotes'),
    ('last_day: "2027-01-03"', 'last_day: "2026-01-03"', "freezes[0] begins on 2026-12-24 and ends on 2026-01-03; "
     "expected a last day that is no earlier than the first"),
    ('last_day: "2027-01-03"', 'last_day: "9999-12-31"', "both from 2000 to before 2100"),
    ("reason: the year's end", 'reason: " "', "freezes[0].reason is empty; expected why"),
    ("    mx:\n", "    pool:\n", "10:5: site.groups.pool is a group of no host; write group: pool at its hosts"),
    ("{time_zone: Europe/Berlin, ", "{zone: Europe/Berlin, ", "site.groups.mx.maintenance.zone is not a field; did "
     "you mean time_zone?"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "says"), WRONG, ids=[row[1].strip() for row in WRONG])
def test_a_wrong_word_is_told_with_its_place(before: str, after: str, says: str) -> None:
    assert before in INVENTORY
    with pytest.raises(InventoryError) as refused:
        book(INVENTORY.replace(before, after, 1))
    assert says in str(refused.value)


def test_the_example_of_the_document_is_taken() -> None:
    page = (CHECKOUT / "docs" / "your-own-servers.md").read_text()
    block = re.findall(r"```yaml\n(site:.*?)```", page, re.DOTALL)[0]
    common = '  name: Example\n  domain: example.jp\n  ca: {passphrase: "env:CA"}\n'
    own = "    address: 192.0.2.{0}\n    names: {{smtp: m{0}.example.jp}}\n"
    text = block.replace("site:\n", f"site:\n{common}")
    text = text.replace("hosts:\n", 'defaults: {certificate: {key_passphrase: "env:KEY"}}\nhosts:\n')
    for number, name in enumerate(("mail1", "mx1"), 1):
        text = text.replace(f"  {name}:\n", f"  {name}:\n{own.format(number)}")
    there = book(text)
    told = [calendar.of(there.site, host).told(utc("2027-02-01T00:30")) for host in there.hosts.values()]
    assert told == [
        "no changes now: freeze from 2027-02-01 to 2027-02-01 (the move); it opens 2027-02-06 22:00+09:00 (Asia/Tokyo)",
        "changes may be made now, until 2027-02-01 03:00+01:00 (Europe/Berlin)",
    ]
