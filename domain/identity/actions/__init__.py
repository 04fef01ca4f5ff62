"""What changes accounts, sessions and departments."""
