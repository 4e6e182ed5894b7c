"""SQLAlchemy tables, migrations, the slot ledger, sealed secrets and the repositories on them."""
