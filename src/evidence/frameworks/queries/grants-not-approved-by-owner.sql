-- Grants in force in the period to which nobody agreed but who answered for the principal then.
-- when: period
-- populations: grants, records
-- parameters: none
-- examined:
select count(*) from grants g, period p where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and g.kind = 'approval'
-- rows:
select g.leaf, g.id, g.principal->>'name' as principal, g.approvers
  from grants g, period p
 where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and g.kind = 'approval'
   and not exists (select 1 from json_each(g.approvers) a
                    where not exists (select 1 from records r
                                       where r.leaf = (select max(x.leaf) from records x
                                                        where x.entity = 'principal' and x.thing = g.principal->>'id' and x.leaf < g.leaf)
                                         and a.value->>'id' in (r.after->'owner'->>'id', coalesce(r.after->'backupOwner'->>'id', ''))))
