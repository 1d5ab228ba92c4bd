"""main.cf and master.cf: as lines, as Postfix reads them, as a change; and what a host's mail system is by them."""
