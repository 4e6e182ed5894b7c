"""A VM provider for tests whose settings hold secrets."""
