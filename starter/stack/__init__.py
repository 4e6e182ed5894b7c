"""The local stack: an embedded Temporal server, the worker and the endpoint, started and watched by one command."""
