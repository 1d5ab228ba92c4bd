"""`python -m runbook_lib.inventory` writes inventory/schema.json anew from the models."""

from runbook_lib import places
from runbook_lib.inventory.schema import schema_text

if __name__ == "__main__":
    places.SCHEMA.write_text(schema_text(), encoding="utf-8")
