"""Rows for tests, made by the database's owner and so whatever the department."""
