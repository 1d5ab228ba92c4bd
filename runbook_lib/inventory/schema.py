"""`inventory/schema.json`, generated from the models: an editor completes and explains an inventory by it."""

import copy
import json
from typing import Any

from pydantic.json_schema import models_json_schema

from runbook_lib.inventory.load import OWN_FIELDS
from runbook_lib.inventory.models import HOST_NAME, Host, Site

_REFERENCE = "#/$defs/{model}"


def schema() -> dict[str, Any]:
    """The JSON schema of an inventory file (draft 2020-12).

    A host's value may come from the defaults, which a schema cannot follow: it asks a host for its own fields
    only, and `load` for the rest.
    """
    _, models = models_json_schema([(Site, "validation"), (Host, "validation")], ref_template=_REFERENCE)
    definitions: dict[str, Any] = models["$defs"]
    host = definitions["Host"]
    for name in [name for name, field in host["properties"].items() if field.get("readOnly")]:
        del host["properties"][name]
    for name in ("CertificateValues", "MxCertificate", "CheckAccount"):
        del definitions[name]["required"]
    host["required"] = sorted(OWN_FIELDS & host["properties"].keys())
    defaults = copy.deepcopy(host)
    defaults["title"], defaults["description"] = "Defaults", "What hosts have unless they say otherwise."
    del defaults["required"]
    for name in host["required"]:
        del defaults["properties"][name]
    definitions["Defaults"] = defaults
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Inventory",
        "description": "A site and its mail servers.",
        "type": "object",
        "additionalProperties": False,
        "required": ["site", "hosts"],
        "properties": {
            "site": {"$ref": _REFERENCE.format(model="Site")},
            "defaults": {"$ref": _REFERENCE.format(model="Defaults")},
            "hosts": {
                "description": "The mail servers, each under its name.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": HOST_NAME},
                "additionalProperties": {"$ref": _REFERENCE.format(model="Host")},
            },
        },
        "$defs": definitions,
    }


def schema_text() -> str:
    """The schema as its file has it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
