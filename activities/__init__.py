"""Temporal activities: thin, each joins the store with one adapter."""
