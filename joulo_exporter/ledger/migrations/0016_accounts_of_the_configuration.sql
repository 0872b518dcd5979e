-- Sessions move only to accounts that the configuration has: what an account had under a former name is a copy.
ALTER TABLE accounts ADD COLUMN configured INTEGER NOT NULL DEFAULT 1;
