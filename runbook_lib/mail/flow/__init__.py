"""Whether mail flowed while something was changed: a program that asks beside it, and what its answers add up to."""

from runbook_lib.mail.flow.watched import MailFlow, PortFlow, ports_to_sample, summed

__all__ = ["MailFlow", "PortFlow", "ports_to_sample", "summed"]
