\set VERBOSITY verbose
\set ON_ERROR_STOP off
\pset null '(null)'
\pset pager off
\echo connect
select current_setting('server_version'), :'SERVER_VERSION_NUM', :'ENCODING';
\echo types
select * from conf.types order by id \gx
\pset format unaligned
select length(repeat('x', 3000000)), md5(repeat('y', 3000000));
\echo meta-commands
\l conf_nothing
\dn
\dt conf.*
\dt+ plain.*
\d conf.types
\d+ conf.numbers
\d plain.children
\d+ plain.parents
\d+ plain.events
\d+ plain.heavy
\d+ plain.totals
\di+ plain.*
\ds plain.*
\dv+ conf.*
\dm plain.*
\dT+ conf.*
\dD
\df conf.*
\df+ conf.*
\sf conf.add
\sv conf.evens
\dp conf.*
\ddp
\du conf_app
\db
\dc conf.*
\dC conf.*
\dd
\dE
\det
\des
\dew
\dF
\dFd simple
\dL
\dO conf.*
\do conf.*
\dP plain.*
\dRp
\dx
\dX
\dy
\encoding
\echo variables and loops
select 1 as one, 'two' as two \gset
\echo :one :two
select format('select %s as made', n) from generate_series(1, 3) n \gexec
select n, n % 3 as m, n * n as v from generate_series(1, 6) n \crosstabview n m v
select n, label from conf.numbers order by n limit 0 \gdesc
\echo cursor
begin;
declare walk scroll cursor with hold for select n, label from conf.numbers order by n;
fetch 2 from walk;
move forward 500 in walk;
fetch backward 2 from walk;
commit;
fetch absolute 7 from walk;
close walk;
\set FETCH_COUNT 7
select n from conf.numbers where n <= 20 order by n;
\unset FETCH_COUNT
\echo prepared
prepare by_number (int) as select label from conf.numbers where n = $1;
execute by_number (5);
execute by_number (6);
select name, statement, parameter_types from (values (1)) as v (one), lateral (select 'x' as name, 'y' as statement, 'z' as parameter_types) s;
deallocate by_number;
\echo copy
\copy conf.scratch (id, v) from program 'seq 1000 3000 | sed "s/$/\\trow/"'
copy conf.scratch (id, v, b) from stdin;
5000	\N	\\x00ff
5001	tab\tand \\ back	\N
\.
\copy (select id, v, b from conf.scratch where id in (1000, 3000, 5000, 5001) order by id) to stdout with csv header
copy (select count(*), min(id), max(id) from conf.scratch) to stdout;
copy conf.scratch (id) from stdin;
x
\.
select 'still here';
\echo transactions
begin;
insert into conf.scratch (id, v) values (1, 'kept') returning *;
savepoint inner_one;
insert into conf.scratch (id) values (1);
select 1;
rollback to inner_one;
release inner_one;
commit and chain;
select id, v from conf.scratch where id = 1;
rollback;
\set ON_ERROR_ROLLBACK on
begin;
select 1 / 0;
select 'after an error';
commit;
\set ON_ERROR_ROLLBACK off
\set AUTOCOMMIT off
delete from conf.scratch where id = 1;
rollback;
\set AUTOCOMMIT on
begin isolation level repeatable read, read only;
delete from conf.scratch where id = 1;
rollback;
select 1 as a \; select 2 as b \; select 3 / 0 \; select 4;
\echo errors
select * from conf.nowhere;
select nothing from conf.types;
select 'x'::int;
select conf.add(1, 2), conf.add('x', 1);
\echo refused
\set VERBOSITY sqlstate
selec;
execute by_number (7);
select n from hidden.secret;
begin;
select n from hidden.secret;
select 1;
rollback;
select 'not refused';
\set VERBOSITY verbose
\echo settings
set time zone 'Europe/Berlin';
show time zone;
set datestyle to 'SQL, DMY';
select timestamptz '2024-03-31 01:30:00+00';
set client_encoding to 'Unicode';
show client_encoding;
select 'Gün';
set client_encoding to 'utf-8';
show client_encoding;
reset all;
set search_path to conf, public;
select count(*) from types;
\d scratch
explain (costs off) select label from numbers where n = 5;
set statement_timeout = '200ms';
select pg_sleep(60);
reset statement_timeout;
\echo temporary
create temporary table mine (n int) on commit preserve rows;
insert into pg_temp.mine select generate_series(1, 10);
select sum(n) from pg_temp.mine;
drop table pg_temp.mine;
\echo notify
listen conformance;
unlisten *;
\echo end
