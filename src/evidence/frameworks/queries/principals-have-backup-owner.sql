-- Principals for which nobody else stands in: no active backup owner who is not the owner.
-- when: end
-- populations: principals_end, persons_end
-- parameters: none
-- examined:
select count(*) from principals_end where status in ('active', 'suspended')
-- rows:
select p.lastLeaf as leaf, p.id, p.name, p.owner->>'name' as owner, p.backupOwner->>'name' as backupOwner
  from principals_end p left join persons_end b on b.id = p.backupOwner->>'id'
 where p.status in ('active', 'suspended')
   and (coalesce(b.status, 'unknown') <> 'active' or p.backupOwner->>'id' = p.owner->>'id')
