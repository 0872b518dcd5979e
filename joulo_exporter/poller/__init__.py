"""Loop of each account: ask the endpoints that are due, write the ledger, publish a snapshot, sleep."""
