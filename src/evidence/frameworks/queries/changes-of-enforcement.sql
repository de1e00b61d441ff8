-- Changes in the period of what Postern enforces, with who made them and why.
-- when: period
-- populations: records
-- parameters: none
-- examined:
select count(*) from records, period where entity in ('policy', 'resource', 'mask', 'retention', 'parameters', 'trust', 'identity_provider', 'directory', 'lifecycle', 'sign_in', 'legal_hold', 'alert_rules') and time >= since and time < until
-- rows:
select r.leaf, r.id, r.type, r.thing, r.actor, r.time, r.reason
  from records r, period p where r.entity in ('policy', 'resource', 'mask', 'retention', 'parameters', 'trust', 'identity_provider', 'directory', 'lifecycle', 'sign_in', 'legal_hold', 'alert_rules') and r.time >= p.since and r.time < p.until
