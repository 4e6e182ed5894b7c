"""VMs that are process groups on this computer: the embedded default, with nothing to install and nothing to pay.

A machine is a directory of its own and a process that runs the startup script with bash and then stays, so that
scripts, check-ins, restarts and deletions are real, while the isolation is that of any process of this user.
"""
