"""Simulated VMs: thousands of them, in memory or in one file, with a clock and with faults that tests choose.

Nothing here runs or waits. What a VM is doing is worked out from its record and the time of its world's clock.
"""
