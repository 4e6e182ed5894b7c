"""Amazon Route 53: the hosted zones of one account, on AWS's own SDK."""
