"""The handbook: chapters that break and change a lab host to show what is said then, and what mends it.

It lies apart: no batch runs it, no wheel has it, and it refuses every host that is not proven to be the lab's.
"""
