"""VMs of a Proxmox VE cluster: clones of a template, told apart by reserved numbers, started up by their guest agent.

A clone can bear a name and a description from the start, but no tags, and while its disks are copied Proxmox VE may
show neither. So the number that was reserved for the server says which VM to look at, the description says whose it
is, and tags, which one list call shows for all VMs, say so as soon as they can be written.
"""
