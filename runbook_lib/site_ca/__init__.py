"""Who signs for a host, as chapters and the command line use it: the site's own CA, or a public one. No notebook."""
