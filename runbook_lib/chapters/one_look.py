"""One look at a server's ports, which chapters of a batch share where their claims are about the same moment.

A look is good for another chapter while all of this holds, and else the ports are asked anew:

- nothing was changed on the host through this connection since: `Host.forget_answers`, by each step of a journal and by
  a rollback, forgets it with all else that the host had answered;
- it began at most `Host.answers_kept_s` ago: some seconds in a batch, and none at all in a person's notebook;
- the same is asked of the same server: a target with another name, port, certificate or account is another one.

What somebody else changes on the host meanwhile is not known here. So the last chapter, which stands for the whole run,
takes no other chapter's look, and the record of a chapter that did says since when its look is.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from runbook_lib.mail.probes import Survey, Target
from runbook_lib.remote import Host

_QUESTION = "what the ports show"


@dataclass(frozen=True)
class Look:
    """A look at the ports.

    Args:
        survey: what was asked by now; more may be asked of it.
        began: when it began, in UTC.
        chapter: the notebook that took it.
    """

    survey: Survey
    began: datetime
    chapter: str


def keep(host: Host, survey: Survey, chapter: str) -> Look:
    """Let other chapters have a look that begins now; returns it.

    Args:
        host: the server, as it is reached by SSH.
        survey: the look.
        chapter: whose it is.
    """
    look = Look(survey, datetime.now(UTC), chapter)
    host.keep_answer(_QUESTION, look)
    return look


def kept(host: Host, target: Target) -> Look | None:
    """Another chapter's look, where it is good for what is to be asked now; None: ask anew.

    Args:
        host: the server, as it is reached by SSH.
        target: what is asked, and what is expected of it.
    """
    found = host.kept_answer(_QUESTION)
    return found if isinstance(found, Look) and found.survey.target == target else None
