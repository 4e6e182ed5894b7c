"""VMs in Microsoft Azure."""
