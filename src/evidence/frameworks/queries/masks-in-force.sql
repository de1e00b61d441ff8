-- What is masked at the end, for whom and how.
-- when: end
-- populations: masks_end
-- parameters: none
-- examined:
select count(*) from masks_end where status = 'active'
-- rows:
select m.lastLeaf as leaf, m.id, m.name, m.revision, m.resource->>'name' as resource, m.principal->>'name' as principal, m."match", m.transform
  from masks_end m where m.status = 'active'
