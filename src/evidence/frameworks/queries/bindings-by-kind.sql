-- How principals prove themselves at the end.
-- when: end
-- populations: bindings_end
-- parameters: none
-- examined:
select count(*) from bindings_end where status = 'active'
-- rows:
select min(b.leaf) as leaf, b.kind, count(*) as bindings, count(distinct b.principal->>'id') as principals
  from bindings_end b where b.status = 'active' group by b.kind
