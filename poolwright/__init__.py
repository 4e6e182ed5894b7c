"""Poolwright: pools of virtual machines kept ready for people's sessions.

This package is a plain library: everything in it can be used and tested with no Temporal server anywhere.
"""
