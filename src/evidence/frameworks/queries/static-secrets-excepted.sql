-- Static secrets in force at the end that nobody else agreed to, or that last longer than the institution allows.
-- when: end
-- populations: bindings_end
-- parameters: static-secret-longest-days
-- examined:
select count(*) from bindings_end where kind = 'secret' and status = 'active'
-- rows:
select b.lastLeaf as leaf, b.id, b.principal->>'name' as principal, b.details->>'reason' as reason,
       b.details->>'$.requestedBy.name' as requestedBy, b.details->>'approvedAt' as approvedAt, b.details->>'expiresAt' as expiresAt
  from bindings_end b
 where b.kind = 'secret' and b.status = 'active'
   and (b.details->>'approvedAt' is null or b.details->>'$.approver.id' = b.details->>'$.requestedBy.id'
        or julianday(b.details->>'expiresAt') - julianday(b.createdAt) > (select value from parameters where id = 'static-secret-longest-days'))
