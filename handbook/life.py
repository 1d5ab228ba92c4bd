"""What the chapter about a certificate's life does again and again: a renewal, and what users see meanwhile."""

from handbook import clients
from handbook.clients import Trust
from handbook.desk import Desk
from runbook_lib.chapters import key_and_csr, postfix, signing
from runbook_lib.display import Parts, Shown


def first(desk: Desk) -> Shown:
    """Chapters 1-1, 1-2 and 2 on a host that has a Postfix and nothing of ours; what 1-1 and 1-2 planned."""
    shown = _pair(desk)
    desk.whole(
        postfix.open(desk.inventory, desk.host.name),
        "plan_packages", "plan_sasl", "plan_joined_file", "plan_settings", "plan_services", "plan_taking_up",
    )  # fmt: skip
    return Parts(shown)


def renewed(desk: Desk, trust: Trust) -> Shown:
    """A run of chapters 1-1, 1-2 and 2, as far as they are about the pair, while a client connects again and again.

    Args:
        trust: what that client goes by.
    Returns: the plans that were made, and what the client saw.
    """
    desk.begin()

    def work() -> Shown:
        shown = _pair(desk)
        chapter = postfix.open(desk.inventory, desk.host.name)
        return Parts([*shown, desk.whole(chapter, "plan_joined_file", "plan_taking_up")])

    shown, told = clients.watched(desk, trust, work)
    return Parts([shown, desk.show(told)])


def _pair(desk: Desk) -> list[Shown]:
    """Key, request and certificate, as far as they are due."""
    ours = desk.inventory, desk.host.name
    plans = [desk.whole(key_and_csr.open(*ours), "plan_key", "plan_csr")]
    return [*plans, desk.whole(signing.open(*ours), "plan_certificate")]
