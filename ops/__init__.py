"""The `aetherflow` command and the servers it embeds."""
