-- Active resources at the end that no active person answers for, or of which it is not said how sensitive they are.
-- when: end
-- populations: resources_end, persons_end
-- parameters: none
-- examined:
select count(*) from resources_end where status = 'active'
-- rows:
select r.lastLeaf as leaf, r.id, r.name, r.owner->>'name' as owner, r.classification
  from resources_end r left join persons_end o on o.id = r.owner->>'id'
 where r.status = 'active' and (coalesce(o.status, 'unknown') <> 'active' or coalesce(trim(r.classification), '') = '')
