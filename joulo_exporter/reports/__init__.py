"""Reports on the ledger: sessions, statements, RFID tags, the history. They read, and change nothing."""
