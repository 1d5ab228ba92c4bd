"""Everything is done as root."""

from pyinfra import config

config.SUDO = True
