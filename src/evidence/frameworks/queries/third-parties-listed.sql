-- Principals of third parties as of the end.
-- when: end
-- populations: principals_end
-- parameters: none
-- examined:
select count(*) from principals_end where sponsor is not null
-- rows:
select p.lastLeaf as leaf, p.id, p.name, p.sponsor, p.owner->>'name' as owner, p.status, p.expiresAt, p.lastUsedAt
  from principals_end p where p.sponsor is not null
