-- Principals of a kind that the institution does not allow.
-- when: end
-- populations: principals_end
-- parameters: allowed-principal-kinds
-- examined:
select count(*) from principals_end where status in ('active', 'suspended')
-- rows:
select p.lastLeaf as leaf, p.id, p.name, p.kind
  from principals_end p
 where p.status in ('active', 'suspended')
   and p.kind not in (select value from json_each((select value from parameters where id = 'allowed-principal-kinds')))
