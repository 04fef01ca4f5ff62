"""Workspaces, datasets and the uploads that fill them."""
