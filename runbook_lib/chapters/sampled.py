"""Chapters that change what takes mail: whether it flowed meanwhile is sampled from outside, and shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from runbook_lib import display
from runbook_lib.chapters.asking import AskingChapter
from runbook_lib.errors import RunbookError
from runbook_lib.mail.flow import MailFlow, ports_to_sample
from runbook_lib.mail.state import MailState
from runbook_lib.remote.change import Plan


@dataclass(repr=False)
class SampledChapter(AskingChapter):
    """Begins to sample before its first change, and ends with its summary or its failure."""

    _flow: MailFlow | None = None

    def sampled(self, plan: Plan, state: MailState) -> Plan:
        """Begin to sample, once, where mail is taken by now; the plan comes back as it is."""
        if self._flow is None and not self._numbers:
            self._flow = MailFlow.start(self.host.address, self.host.name, ports_to_sample(state))
        return plan

    def summary(self) -> display.Shown:
        """As every chapter's, with what came back meanwhile."""
        self._end_sampling()
        return super().summary()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """As every chapter's; what came back until a failure is in the record, too."""
        with super().at_work():
            try:
                yield
            except (RunbookError, KeyboardInterrupt):
                self._end_sampling()
                raise

    def _end_sampling(self) -> None:
        flow, self._flow = self._flow, None
        if flow is None:
            return
        ports = flow.stop()
        self.record.add_flow([asdict(port) for port in ports])
        self._meanwhile = [("mail flow", port.told) for port in ports]
