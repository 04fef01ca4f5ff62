"""Uploading a file from the command line: its bytes, its resuming, and what becomes of it."""
