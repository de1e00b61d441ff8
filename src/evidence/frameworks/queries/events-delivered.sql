-- Where events are delivered to other systems, how far they came by the position of the log, and what kept them.
-- when: period
-- populations: sinks
-- parameters: none
-- examined:
select count(*) from sinks, period where createdAt < until
-- rows:
select s.lastLeaf as leaf, s.id, s.name, s.target->>'kind' as kind, s.status, s.deliveredBefore, s.deliveredAt, s.rejected, s.failures,
       s.lastFailure, s.lastFailureAt, s.failingSince
  from sinks s, period p where s.createdAt < p.until
