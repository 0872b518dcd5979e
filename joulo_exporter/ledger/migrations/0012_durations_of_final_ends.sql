-- An end that /sessions has not listed is as wrong as this machine's clock: durations count without it.
UPDATE totals SET duration_ms = duration_ms - (
  SELECT COALESCE(SUM(MAX(0, CAST(ROUND((ended_at - started_at) * 1000) AS INTEGER))), 0)
  FROM sessions s
  WHERE s.account = totals.account AND s.charger_id = totals.charger_id
    AND s.ended_at IS NOT NULL AND s.started_at IS NOT NULL
    AND s.end_is_final = 0 AND s.withdrawn = 0
    AND UPPER(REPLACE(REPLACE(REPLACE(REPLACE(COALESCE(s.id_tag, ''), ' ', ''), ':', ''), char(9), ''), '-', ''))
      = totals.tag);
