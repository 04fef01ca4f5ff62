"""Workspaces, datasets and uploads in the graph."""
