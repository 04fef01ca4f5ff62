"""What runs jobs: the arq worker, its supervisor, the sweeper and the sandboxed engines."""
