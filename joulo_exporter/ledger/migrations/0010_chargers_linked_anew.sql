-- Whether the last /chargers shows the charger, with which slug and nickname.
ALTER TABLE chargers ADD COLUMN linked INTEGER NOT NULL DEFAULT 1;
ALTER TABLE chargers ADD COLUMN slug TEXT;
ALTER TABLE chargers ADD COLUMN nickname TEXT;
-- The charger under which one of its sessions was listed again.
ALTER TABLE chargers ADD COLUMN moved_to TEXT;
-- The chargers of its name that were linked together with it, one a line.
ALTER TABLE chargers ADD COLUMN seen_with TEXT NOT NULL DEFAULT '';
-- Whole walks to begin at once; null before.
ALTER TABLE chargers ADD COLUMN walks_due INTEGER;
