"""The faults, a file for each part of a mail server: data alone."""
