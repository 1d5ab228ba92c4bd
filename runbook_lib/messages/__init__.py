"""What people read: a template and its fields, so that the same data can be said in another language."""

from runbook_lib.messages.template import Message, joined, message

__all__ = ["Message", "joined", "message"]
