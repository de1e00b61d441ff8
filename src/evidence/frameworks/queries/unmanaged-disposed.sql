-- Accounts and connections at resources that are not Postern’s and on which nobody decided by the end.
-- when: end
-- populations: unmanaged_end, reconciliations
-- parameters: none
-- examined:
select count(*) from reconciliations, period where "at" < until and status = 'done'
-- rows:
select u.lastLeaf as leaf, u.id, u.resource->>'name' as resource, u.kind, u.subject, u.status
  from unmanaged_end u where u.status = 'open'
