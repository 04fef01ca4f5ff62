"""Jobs, attempts, events and results in the graph."""
