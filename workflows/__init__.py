"""Temporal workflows: only orchestration, deterministic, sandboxed.

Nothing is imported here: the sandbox imports a workflow's modules for each of its runs, and keeps them in memory.
"""
