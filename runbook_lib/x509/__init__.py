"""Certificates and keys as they are: how they are read, what they say, and which roots this machine trusts."""
