"""Changes of the catalog, and the rules that they keep."""
