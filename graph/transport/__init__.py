"""The way in: operations over HTTP, WebSocket and server-sent events."""
