-- Static secrets in force at the end: the exceptions.
-- when: end
-- populations: bindings_end
-- parameters: none
-- examined:
select count(*) from bindings_end where status = 'active'
-- rows:
select b.lastLeaf as leaf, b.id, b.principal->>'name' as principal, b.details->>'reason' as reason,
       b.details->>'$.approver.name' as approver, b.details->>'expiresAt' as expiresAt
  from bindings_end b where b.kind = 'secret' and b.status = 'active'
