"""Temporal workflows: only orchestration, deterministic, sandboxed."""
