"""Droplets of a DigitalOcean account, on pydo.

The API knows no idempotency token and no unique names. A droplet is therefore looked for before it is made and again
afterwards, and of several for one server the oldest stays.
"""
