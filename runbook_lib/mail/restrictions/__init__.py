"""Restriction lists of main.cf, and what the submission services inherit of them."""

from runbook_lib.mail.restrictions.submission import (
    FACTS,
    Fate,
    Judged,
    JudgedList,
    judge,
    options,
    rulings,
    stops_users,
)

__all__ = ["FACTS", "Fate", "Judged", "JudgedList", "judge", "options", "rulings", "stops_users"]
