-- Every principal with who answers for it, its purpose and its last use, as of the end.
-- when: end
-- populations: principals_end
-- parameters: none
-- examined:
select count(*) from principals_end where status in ('active', 'suspended')
-- rows:
select q.lastLeaf as leaf, q.id, q.name, q.kind, q.status, q.owner->>'name' as owner, q.backupOwner->>'name' as backupOwner,
       q.purpose, q.environment, q.lastUsedAt
  from principals_end q
 where q.status in ('active', 'suspended')
