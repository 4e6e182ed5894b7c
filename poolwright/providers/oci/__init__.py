"""Oracle Cloud Infrastructure: compute instances, on Oracle's own SDK."""
