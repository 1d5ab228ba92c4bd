"""After a run: how each host stands, and the way back."""
