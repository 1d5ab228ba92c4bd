"""What the notebooks call: a module a notebook, and the chapter they share."""
