"""The business: models, rules, reads and actions. Knows no GraphQL, no HTTP and no queue."""
