"""Imported last by the process that workers are forked from: what notebooks import, and then memory is left alone.

The chapters are imported by name, as the notebooks do it: the batch runs whatever notebooks there are.
"""

import gc
import importlib
import pkgutil

import nbformat

for _module in pkgutil.iter_modules(importlib.import_module("runbook_lib.chapters").__path__):
    importlib.import_module(f"runbook_lib.chapters.{_module.name}")
# The schema of notebooks is made into a program at the first look at one, in each worker again where it is not here.
nbformat.validate(nbformat.v4.new_notebook())
# A collection writes into every object, which would copy each page of memory in each worker.
gc.collect()
gc.freeze()
