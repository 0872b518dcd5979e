-- In place of the former reading; readings less than a minute apart, or that fell, have no power.
ALTER TABLE meters ADD COLUMN power_watts REAL;
UPDATE meters SET power_watts = (wh - former_wh) / (at - former_at) * 3600
WHERE at - former_at >= 60 AND wh >= former_wh;
