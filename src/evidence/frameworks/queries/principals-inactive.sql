-- Active principals that nobody used for longer than the institution allows.
-- when: end
-- populations: principals_end
-- parameters: inactive-days
-- examined:
select count(*) from principals_end where status = 'active'
-- rows:
select p.lastLeaf as leaf, p.id, p.name, p.lastUsedAt, p.activeSince
  from principals_end p, period
 where p.status = 'active'
   and julianday(period.asOf) - julianday(max(coalesce(p.lastUsedAt, ''), p.activeSince))
       > (select value from parameters where id = 'inactive-days')
