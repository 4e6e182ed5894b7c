"""Everything that starts, signals or reads workflows from outside."""
