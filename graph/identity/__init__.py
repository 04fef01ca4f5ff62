"""People, departments and roles in the graph."""
