"""`bench graph`: queries of this server beside other servers on the same database."""
