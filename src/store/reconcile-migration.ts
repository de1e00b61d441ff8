/** Comparisons of resources with what Postern knows, and what is there that is not Postern's. */
export const RECONCILE_MIGRATION = `
CREATE TABLE reconciliations (
  id TEXT PRIMARY KEY NOT NULL,
  resource_id TEXT NOT NULL CONSTRAINT reconciliation_has_a_resource REFERENCES resources (id),
  status TEXT NOT NULL CONSTRAINT reconciliation_status_known CHECK (status IN ('done', 'failed')),
  body TEXT NOT NULL CONSTRAINT reconciliation_is_an_object CHECK (json_valid(body))
) STRICT;
CREATE INDEX reconciliations_by_resource ON reconciliations (resource_id, id);
CREATE TABLE unmanaged (
  id TEXT PRIMARY KEY NOT NULL,
  resource_id TEXT NOT NULL CONSTRAINT unmanaged_is_at_a_resource REFERENCES resources (id),
  kind TEXT NOT NULL CONSTRAINT unmanaged_kind_known CHECK (kind IN ('account', 'connection', 'statements')),
  key TEXT NOT NULL,
  status TEXT NOT NULL
    CONSTRAINT unmanaged_status_known CHECK (status IN ('open', 'accepted', 'adopted', 'remediated', 'gone')),
  body TEXT NOT NULL CONSTRAINT unmanaged_is_an_object CHECK (json_valid(body)),
  CONSTRAINT who_disposed_says_so
    CHECK ((status IN ('accepted', 'adopted', 'remediated')) <= (json_type(body, '$.disposition') = 'object'))
) STRICT;
CREATE UNIQUE INDEX unmanaged_once ON unmanaged (resource_id, kind, key);
`;
