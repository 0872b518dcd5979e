-- Both null for a session that was never corrected, and for what happened before the ledger noted it.
ALTER TABLE sessions ADD COLUMN corrected_at REAL;
ALTER TABLE sessions ADD COLUMN first_kwh_hundredths INTEGER;
