"""The site's own CA, as chapters and the command line use it: no notebook, no other CA."""
