-- Principals of which it is not said what they are for, or where.
-- when: end
-- populations: principals_end
-- parameters: none
-- examined:
select count(*) from principals_end where status in ('active', 'suspended')
-- rows:
select p.lastLeaf as leaf, p.id, p.name, p.kind, p.purpose, p.environment
  from principals_end p
 where p.status in ('active', 'suspended')
   and (coalesce(trim(p.purpose), '') = '' or coalesce(trim(p.environment), '') = '' or coalesce(p.kind, '') = '')
