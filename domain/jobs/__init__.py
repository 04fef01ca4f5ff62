"""Jobs, their attempts and events, and the results they publish."""
