"""DigitalOcean's DNS: the domains of one account, on DigitalOcean's own SDK."""
