"""What a wheel carries beside the library: the chapters, what they show, and the example of an inventory."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHIPPED = ("notebooks/[0-9]*.ipynb", "notebooks/ja/*.ipynb", "notebooks/*.png", "notebooks/*.svg",
           "docs/capture/*.json", "inventory/example.yaml", "inventory/schema.json")  # fmt: skip


class ShippedFiles(BuildHookInterface[Any]):
    """Puts them below runbook_lib/shipped, where `runbook_lib.places` looks; an installed checkout has its own."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """As hatchling calls it, before a build."""
        if version == "editable":
            return
        root = Path(self.root)
        for pattern in SHIPPED:
            for path in root.glob(pattern):
                build_data["force_include"][str(path)] = f"runbook_lib/shipped/{path.relative_to(root)}"
