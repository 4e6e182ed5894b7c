"""What a vendor's VM provider and DNS provider share: the account's settings, its client, its pace, its error codes.

One module per vendor. No vendor's SDK is imported before one of its providers is opened.
"""
