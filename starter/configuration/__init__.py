"""What admins declare in YAML: read, checked as a whole, compared with what is stored, and written all or nothing.

`applying.apply` and `applying.difference` are the way in, `deleting.delete` and `exporting.export` the ways out.
"""
