"""OCI DNS: public zones and private zones of one compartment."""
