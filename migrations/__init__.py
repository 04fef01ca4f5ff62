"""The history of the database, applied by its owner."""
