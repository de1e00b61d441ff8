import { NAME } from './migration-checks.ts';

/** When evidence packages are made by themselves. */
export const EVIDENCE_MIGRATION = `
CREATE TABLE evidence_schedules (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT evidence_schedule_name_is_never_reused UNIQUE
    CONSTRAINT evidence_schedule_name_is_plain CHECK (${NAME('name')}),
  status TEXT NOT NULL CONSTRAINT evidence_schedule_status_known CHECK (status IN ('active', 'ended')),
  body TEXT NOT NULL CONSTRAINT evidence_schedule_is_an_object CHECK (json_valid(body))
) STRICT;
`;
