-- Grants in force in the period that rest on nobody’s word and no rule, or that have no end.
-- when: period
-- populations: grants
-- parameters: none
-- examined:
select count(*) from grants g, period p where g.start < p.until and coalesce(g.endedAt, g."end") > p.since
-- rows:
select g.leaf, g.id, g.principal->>'name' as principal, g.resource->>'name' as resource, g.kind, g.start, g."end"
  from grants g, period p
 where g.start < p.until and coalesce(g.endedAt, g."end") > p.since
   and (g."end" is null or (json_array_length(coalesce(g.approvers, '[]')) = 0 and g.rule is null))
