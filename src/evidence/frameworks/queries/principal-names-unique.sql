-- Names that two principals had: a name stands for one identity, also after that was retired.
-- when: end
-- populations: principals_end
-- parameters: none
-- examined:
select count(*) from principals_end
-- rows:
select q.lastLeaf as leaf, q.id, q.name, q.status, q.createdAt
  from principals_end q
 where lower(q.name) in (select lower(name) from principals_end group by lower(name) having count(*) > 1)
