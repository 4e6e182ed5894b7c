"""Temporal workflows: only orchestration, deterministic, sandboxed.

All runs in a worker share these modules, so they keep nothing: what a run knows is in its own objects.
"""
