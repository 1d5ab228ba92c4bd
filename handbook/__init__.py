"""The handbook: chapters that break a lab host to show what its log says, and what mends it.

It lies apart: no batch runs it, no wheel has it, and it refuses every host that is not proven to be the lab's.
"""
