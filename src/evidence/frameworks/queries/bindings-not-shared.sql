-- Means of proof that are in force for two principals at the end.
-- when: end
-- populations: bindings_end
-- parameters: none
-- examined:
select count(*) from bindings_end where status = 'active' and kind <> 'secret'
-- rows:
select b.lastLeaf as leaf, b.id, b.principal->>'name' as principal, b.kind, b.details
  from bindings_end b
 where b.status = 'active' and b.kind <> 'secret'
   and exists (select 1 from bindings_end o
                where o.status = 'active' and o.kind = b.kind and o.details = b.details
                  and o.principal->>'id' <> b.principal->>'id')
