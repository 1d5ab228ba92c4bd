"""Chapters whose claims hold only after chapter 2, all of it: the users' pages, and the verification."""

from dataclasses import dataclass

from runbook_lib.chapters import mail_state
from runbook_lib.chapters.asking import AskingChapter
from runbook_lib.chapters.mail_state import firewall_facts
from runbook_lib.mail.target import chapter_plans


@dataclass(repr=False)
class DependsOnPostfix(AskingChapter):
    """Asks what chapter 2 made; where its lines wait for somebody else, a claim that fails is that person's to mend."""

    _owners: tuple[str, ...] | None = None

    def must_act(self) -> tuple[str, ...]:
        """Who has lines of chapter 2 to add to files of theirs; looked for once, when a claim has failed."""
        if self._owners is None:
            state = mail_state.read(self.opened)
            facts = firewall_facts(self.opened)
            self._owners = chapter_plans.owners(chapter_plans.all_of(state, facts))
        return self._owners
