"""PostgreSQL, Redis and S3 as real servers from packages, for one machine and for the tests."""
