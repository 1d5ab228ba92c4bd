"""Chapters whose claims hold only after chapter 2, all of it: the users' pages, and the verification."""

from dataclasses import dataclass

from runbook_lib.chapters import mail_state, postfix
from runbook_lib.chapters.asking import AskingChapter
from runbook_lib.mail.target.postfix import MailFiles


@dataclass(repr=False)
class DependsOnPostfix(AskingChapter):
    """Asks what chapter 2 made; where its lines wait for somebody else, a claim that fails is that person's to mend."""

    _owners: tuple[str, ...] | None = None

    def must_act(self) -> tuple[str, ...]:
        """Who has lines of chapter 2 to add to files of theirs; looked for once, when a claim has failed."""
        if self._owners is None:
            files = MailFiles.of(self.opened.family, self.host)
            state = mail_state.read(self.opened)
            self._owners = postfix.plans(self.opened, files, state).owners
        return self._owners
