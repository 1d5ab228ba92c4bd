"""A command whose clock differs from the host's: containers have the kernel's clock, so the controller's is faked."""

from pathlib import Path


def by_another_clock(offset: str) -> tuple[str, ...]:
    """Words before a command that then sees another time.

    Args:
        offset: as faketime(1) has it: '+2d', '-4m'.
    """
    sleeps = Path(__file__).with_name("faked_clock")
    return ("env", f"PYTHONPATH={sleeps}", "FAKETIME_DONT_FAKE_MONOTONIC=1", "faketime", "-f", offset)
