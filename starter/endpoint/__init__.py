"""The HTTP service: check-in, component logs and the session API."""
