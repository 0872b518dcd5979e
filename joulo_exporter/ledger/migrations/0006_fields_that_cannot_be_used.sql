CREATE TABLE malformed_fields (
  account INTEGER NOT NULL, endpoint TEXT NOT NULL, field TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (account, endpoint, field)) WITHOUT ROWID;
