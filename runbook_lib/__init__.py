"""The small library behind the notebooks: hosts over SSH, changes as values, proof from outside, records."""
