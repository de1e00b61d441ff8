-- Twenty-five principals in use at the end, drawn by the root of the log, with what they may do: to judge whether each is appropriate.
-- when: end
-- populations: principals_end, grants_end
-- parameters: none
-- examined:
select count(*) from principals_end where status = 'active'
-- rows:
select p.lastLeaf as leaf, p.id, p.name, p.kind, p.owner->>'name' as owner, p.purpose, p.environment,
       (select json_group_array(g.resource->>'name' || ': ' || g.scope) from grants_end g
         where g.principal->>'id' = p.id and g.status = 'active') as grants, sample_rank('principals', p.id) as rank
  from principals_end p where p.status = 'active' order by rank limit 25
