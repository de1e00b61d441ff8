-- People with a role at the end who have nothing of their own to sign in with.
-- when: end
-- populations: persons_end, authenticators_end
-- parameters: none
-- examined:
select count(*) from persons_end where status = 'active' and roles <> '[]'
-- rows:
select o.lastLeaf as leaf, o.id, o.name, o.roles
  from persons_end o
 where o.status = 'active' and o.roles <> '[]'
   and not exists (select 1 from authenticators_end a where a.person->>'id' = o.id and a.status = 'active')
