"""What is not as the package or a run of ours left it: it stays, or a person decides."""
