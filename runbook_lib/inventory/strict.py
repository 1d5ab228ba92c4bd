"""What every model of an inventory is like."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Strict, frozen, no unknown fields; defaults are checked like values."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", validate_default=True)
