"""What a host's main.cf and master.cf say, line by line: what is overridden, obsolete, misspelt, or bound to fail."""
