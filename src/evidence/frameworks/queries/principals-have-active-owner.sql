-- Principals that nobody answers for, or somebody who is not there any more.
-- when: end
-- populations: principals_end, persons_end
-- parameters: none
-- examined:
select count(*) from principals_end where status in ('active', 'suspended')
-- rows:
select p.lastLeaf as leaf, p.id, p.name, p.owner->>'name' as owner, o.status as ownerStatus
  from principals_end p left join persons_end o on o.id = p.owner->>'id'
 where p.status in ('active', 'suspended') and coalesce(o.status, 'unknown') <> 'active'
