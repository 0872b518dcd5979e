-- In place of seen_with: the numbers of the changes of the linked chargers with which each came, and went.
ALTER TABLE chargers ADD COLUMN came INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chargers ADD COLUMN went INTEGER NOT NULL DEFAULT 0;
UPDATE chargers SET came = 1, went = CASE seen_with WHEN '' THEN 0 ELSE 2 END;
