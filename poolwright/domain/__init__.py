"""What things are, and every rule. Pure: no I/O, no clock, no SDK, no database, no Temporal."""
