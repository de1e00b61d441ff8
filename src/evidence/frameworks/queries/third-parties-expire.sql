-- Principals of third parties that are in use at the end and have no end of their own.
-- when: end
-- populations: principals_end
-- parameters: none
-- examined:
select count(*) from principals_end where sponsor is not null and status = 'active'
-- rows:
select p.lastLeaf as leaf, p.id, p.name, p.sponsor
  from principals_end p where p.sponsor is not null and p.status = 'active' and p.expiresAt is null
