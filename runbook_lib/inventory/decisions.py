"""What a person decided about settings that were there before: never guessed, always with a reason."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from runbook_lib.inventory.place import DNS, Place
from runbook_lib.inventory.strict import Model
from runbook_lib.messages import message


def _place(text: str) -> str:
    return str(Place.parse(text))


def _reason(text: str) -> str:
    if not text.strip():
        raise ValueError(message("is empty; expected why this was decided, for who reads the record"))
    return text


Reason = Annotated[str, AfterValidator(_reason)]


class Decision(Model):
    """What a person decided about something that an administrator shaped; a run shows it with its reason."""

    about: Annotated[str, AfterValidator(_place)] = Field(
        description=message("the place, as `runbook plan` and chapter 0 print it beside 'you decide'"),
        examples=["main.cf, smtpd_use_tls", "master.cf, submission/inet", "DNS, mail.example.jp"],
    )
    decide: Literal["keep", "replace"] = Field(
        description=message(
            "keep: it stays as it was found; replace: chapter 2 puts its own in its place, or takes it away"
        )
    )
    reason: Reason = Field(
        description=message("why, in a few words; it stands in the plan and in the record")
    )

    @property
    def place(self) -> Place:
        """What it is about."""
        return Place.parse(self.about)

    @model_validator(mode="after")
    def _has_an_answer(self) -> Self:
        if self.place.file == DNS and self.decide != "keep":
            raise ValueError(
                message(
                    "decides 'replace' about '{about}', and nothing here changes the DNS; expected 'keep', "
                    "or no decision and the name led to the server",
                    about=self.about,
                )
            )
        return self


def _one_a_place(decisions: tuple[Decision, ...]) -> tuple[Decision, ...]:
    places = [decision.about for decision in decisions]
    twice = next((place for index, place in enumerate(places) if place in places[:index]), None)
    if twice is not None:
        raise ValueError(message("has two decisions about '{twice}'; expected one", twice=twice))
    return decisions


Decisions = Annotated[tuple[Decision, ...], AfterValidator(_one_a_place)]
