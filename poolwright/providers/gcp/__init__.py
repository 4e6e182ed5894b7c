"""VMs on Google Compute Engine, over Google's own client.

A VM's name is unique in its zone and each creation bears a request id, so that a repeat makes no second VM. What became
of a creation whose VM does not show is read from the zone's operations.
"""
