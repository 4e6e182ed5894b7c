"""Dynamic updates as RFC 2136 has them, signed with TSIG: BIND, Knot, PowerDNS and others on one's own premises."""
