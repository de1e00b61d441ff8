/** Alerts, and how their rules are set. */
export const ALERT_MIGRATION = `
CREATE TABLE alerts (
  id TEXT PRIMARY KEY NOT NULL,
  rule TEXT NOT NULL,
  principal_id TEXT NOT NULL CONSTRAINT alert_is_about_a_principal REFERENCES principals (id),
  resource_id TEXT CONSTRAINT alert_names_a_resource REFERENCES resources (id),
  status TEXT NOT NULL CONSTRAINT alert_status_known CHECK (status IN ('open', 'acknowledged', 'closed')),
  last_leaf INTEGER NOT NULL CONSTRAINT alert_comes_from_a_leaf CHECK (last_leaf >= 0),
  body TEXT NOT NULL CONSTRAINT alert_is_an_object CHECK (json_valid(body)),
  CONSTRAINT closed_alert_has_a_disposition
    CHECK ((status = 'closed') = (json_extract(body, '$.disposition') IS NOT NULL))
) STRICT;
-- Not unique: records that are applied once more after a crash open for a moment what was closed long ago.
CREATE INDEX alerts_unresolved ON alerts (principal_id, rule) WHERE status <> 'closed';
CREATE INDEX alerts_by_last_leaf ON alerts (last_leaf);
CREATE INDEX alerts_by_principal ON alerts (principal_id);
CREATE TABLE alert_rules (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT alert_rules_are_one CHECK (id = 'alert_rules'),
  body TEXT NOT NULL CONSTRAINT alert_rules_are_an_object CHECK (json_valid(body))
) STRICT;
`;
