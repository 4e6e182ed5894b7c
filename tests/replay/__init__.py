"""Recorded histories: what the workflows of today must still understand tomorrow."""
