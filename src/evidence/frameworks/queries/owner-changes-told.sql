-- Principals whose owner left in the period without that somebody was told in time.
-- when: period
-- populations: records, notices
-- parameters: notify-hours
-- examined:
select count(*) from records r, period p
 where r.type = 'person.disabled' and r.time >= p.since and r.time < p.until
   and exists (select 1 from records o where o.entity = 'principal' and o.leaf < r.leaf and o.after->>'$.owner.id' = r.thing)
-- rows:
select l.leaf, l.thing as id, l.name, r.actor as toldOff, r.time as ownerLeftAt
  from records r, period p, (select o.thing, o.leaf, o.after->>'name' as name, o.after->>'$.owner.id' as owner,
                                    o.after->>'status' as status,
                                    lead(o.leaf) over (partition by o.thing order by o.leaf) as next
                               from records o where o.entity = 'principal') l
 where r.type = 'person.disabled' and r.time >= p.since and r.time < p.until
   and l.owner = r.thing and l.leaf < r.leaf and coalesce(l.next, r.leaf) >= r.leaf and l.status in ('active', 'suspended')
   and not exists (select 1 from notices n
                    where n.principal->>'id' = l.thing and n.createdAt >= r.time
                      and (julianday(n.createdAt) - julianday(r.time)) * 24 <= (select value from parameters where id = 'notify-hours'))
