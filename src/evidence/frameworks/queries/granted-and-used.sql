-- Each grant in force in the period with what it gave, on whose word, and how much it was used.
-- when: period
-- populations: grants, commands_summary
-- parameters: none
-- examined:
select count(*) from grants g, period p where g.start < p.until and coalesce(g.endedAt, g."end") > p.since
-- rows:
select g.leaf, g.id, g.principal->>'name' as principal, g.resource->>'name' as resource, g.scope, g.approvers, g.ticket, g.start,
       coalesce(g.endedAt, g."end") as ended, coalesce(c.commands, 0) as commands, coalesce(c.refused, 0) as refused
  from grants g left join (select "grant", sum(case decision when 'allow' then commands else 0 end) as commands,
                                  sum(case decision when 'deny' then commands else 0 end) as refused
                             from commands_summary group by "grant") c on c."grant" = g.id, period p
 where g.start < p.until and coalesce(g.endedAt, g."end") > p.since
