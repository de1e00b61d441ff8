\set aid random(1, 100000)
\set delta random(-500, 500)
begin;
select abalance from pgbench_accounts where aid = :aid \gset before_
update pgbench_accounts set abalance = abalance + :delta where aid = :aid;
select abalance as after from pgbench_accounts where aid = :aid \gset
\if :after <> :before_abalance + :delta
select 1 / 0;
\endif
end;
