"""Restriction lists of main.cf, and what the submission services inherit of them."""

from runbook_lib.mail.target.restrictions.submission import FACTS, judge, options, rulings, stops_users

__all__ = ["FACTS", "judge", "options", "rulings", "stops_users"]
