"""Distributions as data: one module a family, no function of its own, no `if` on a distribution elsewhere."""

from runbook_lib.families.family import Family, PackageManager, Release

__all__ = ["Family", "PackageManager", "Release"]
