"""The ledger: one SQLite file with every session of every account, and the state that must survive a restart."""
