"""The mail server: its settings, its services, and what it shows to the outside."""
