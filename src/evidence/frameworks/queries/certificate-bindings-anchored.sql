-- Bindings to certificates in force at the end that lead to no trusted authority and name no one certificate or key.
-- when: end
-- populations: bindings_end, trust_end
-- parameters: none
-- examined:
select count(*) from bindings_end where status = 'active' and kind in ('certificate', 'spiffe')
-- rows:
select b.lastLeaf as leaf, b.id, b.principal->>'name' as principal, b.kind, b.details
  from bindings_end b
 where b.status = 'active' and b.kind = 'certificate'
   and coalesce(b.details->>'by', '') not in ('certificate', 'public_key')
   and not exists (select 1 from trust_end t where t.id = b.details->>'$.trust.id' and t.status = 'active')
