"""DNS providers: one protocol, one closed error tree, one package per kind."""
