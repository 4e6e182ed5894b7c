"""Azure DNS: the public zones of a subscription, or its private ones."""
