-- Eligible energy is not served until a resync has listed the older sessions again: its parts, one after the other,
-- would look like a rise.
ALTER TABLE sessions ADD COLUMN counts_for_ere INTEGER DEFAULT -1;
CREATE INDEX sessions_unread_for_ere ON sessions (account) WHERE counts_for_ere = -1;
ALTER TABLE totals ADD COLUMN eligible_kwh_hundredths INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN eligibility_known INTEGER NOT NULL DEFAULT 0;
