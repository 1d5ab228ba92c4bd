"""Chapters on many hosts: notebooks through papermill, a process a host, judged by what they show and record."""
