-- A ledger whose sessions are older than the column counts_for_ere serves no totals until they are all listed again:
-- the eligible energy, one part after the other, would look like a rise.
UPDATE walks SET walk = CAST(REPLACE(CAST(walk AS TEXT), '"complete":true', '"complete":false') AS BLOB)
WHERE account IN (SELECT account FROM sessions WHERE counts_for_ere = -1 AND generation > 0 AND withdrawn = 0);
UPDATE sessions SET counts_for_ere = NULL WHERE counts_for_ere = -1;
DROP INDEX sessions_unread_for_ere;
