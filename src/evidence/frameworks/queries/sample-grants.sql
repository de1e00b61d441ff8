-- Twenty-five grants in force in the period, drawn by the root of the log, with who agreed: to follow each to its ticket.
-- when: period
-- populations: grants
-- parameters: none
-- examined:
select count(*) from grants g, period p where g.start < p.until and coalesce(g.endedAt, g."end") > p.since
-- rows:
select g.leaf, g.id, g.principal->>'name' as principal, g.resource->>'name' as resource, g.scope, g.start, g."end", g.approvers, g.rule,
       g.ticket, g.justification, sample_rank('grants', g.id) as rank
  from grants g, period p where g.start < p.until and coalesce(g.endedAt, g."end") > p.since order by rank limit 25
