"""VM providers: one package per provider behind the one protocol in `base`."""
