"""What carries a dataset from its first byte to its last, over catalog, jobs and bucket."""
