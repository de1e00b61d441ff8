# Perl DBD::Pg: one transcript of JSON lines, the same directly and through Postern.
use strict;
use warnings;
use utf8;
use DBI qw(:sql_types);
use DBD::Pg qw(:pg_types :async);
use JSON::PP;

my $json = JSON::PP->new->canonical->ascii->allow_nonref;
$| = 1;
printf STDERR "DBD::Pg %s, libpq %s\n", $DBD::Pg::VERSION, DBI->connect('dbi:Pg:', '', '', { RaiseError => 1 })->{pg_lib_version};

sub emit { my ($step, $value) = @_; print $json->encode({ step => $step, value => $value }), "\n"; }

my $db = DBI->connect('dbi:Pg:', '', '', { RaiseError => 1, PrintError => 0, AutoCommit => 1 });

sub failure {
  my ($step, $run) = @_;
  emit($step, eval { $run->(); 1 } ? 'it succeeded' : $db->state);
}

emit('connect', [$db->{pg_server_version}, $db->ping]);
my $types = $db->prepare('select * from conf.types order by id');
$types->execute;
emit('types', [$types->{NAME}, $types->{pg_type}]);
while (my $row = $types->fetchrow_arrayref) { emit('types', $row); }
my $parameters = $db->prepare('select ?::text, ?::bytea, ?::int[], ?::numeric, ?::jsonb');
$parameters->bind_param(1, undef);
$parameters->bind_param(2, "\x00\xff\\", { pg_type => PG_BYTEA });
$parameters->bind_param(3, [1, undef, 3]);
$parameters->bind_param(4, '1e-20');
$parameters->bind_param(5, '{"k": [null]}');
$parameters->execute;
emit('parameters', $parameters->fetchrow_arrayref);
my $large = "x\x{e9}" x 1_000_000;
my ($echoed, $length) = $db->selectrow_array('select ?::text, length(?::text)', undef, $large, $large);
emit('large', [$echoed eq $large ? 1 : 0, $length]);

my $prepared = $db->prepare('select label from conf.numbers where n = ?', { pg_prepare_now => 1 });
for my $n (1 .. 5) { $prepared->execute($n); emit('prepared', $prepared->fetchall_arrayref); }
my $broken = $db->prepare('select 1 / ?::int');
failure('prepared', sub { $broken->execute(0) });
$broken->execute(1);
emit('prepared', $broken->fetchall_arrayref);

my $insert = $db->prepare('insert into conf.scratch (id, v) values (?, ?)');
emit('batch', scalar $insert->execute_array({}, [100 .. 199], [map { "batch $_" } 100 .. 199]));
emit('batch', $db->selectall_arrayref('select 1; select 2, 3'));

$db->begin_work;
$db->do('declare walk cursor for select n from conf.numbers order by n');
my $sum = 0;
while (my $rows = $db->selectcol_arrayref('fetch 500 from walk')) { last unless @$rows; $sum += $_ for @$rows; }
emit('cursor', $sum);
$db->commit;

$db->do('copy conf.scratch (id, v, b) from stdin');
$db->pg_putcopydata("$_\t" . ('v' x ($_ % 200)) . "\t\\\\x000a\n") for 1000 .. 20999;
emit('copy in', $db->pg_putcopyend);
$db->do('copy (select id, v, b from conf.scratch where id between 1000 and 1100 order by id) to stdout');
my ($line, @lines);
while ($db->pg_getcopydata($line) >= 0) { push @lines, $line; }
emit('copy out', \@lines);
$db->do('copy conf.scratch (id) from stdin');
$db->pg_putcopydata("x\n");
failure('copy refused', sub { $db->pg_putcopyend });

$db->begin_work;
$db->do(q{update conf.scratch set v = 'kept' where id = 100});
$db->pg_savepoint('inner_one');
failure('savepoint', sub { $db->do('insert into conf.scratch (id) values (100)') });
failure('savepoint', sub { $db->do('select 1') });
$db->pg_rollback_to('inner_one');
emit('savepoint', $db->selectrow_arrayref('select v from conf.scratch where id = 100'));
$db->commit;
failure('error', sub { $db->do('select * from conf.nowhere') });
failure('error', sub { $db->do('select 1 / 0') });
failure('error', sub { $db->do('selec') });
failure('refused', sub { $db->do('select n from hidden.secret') });
failure('refused', sub { $db->selectall_arrayref('select n from hidden.secret where n = ?', undef, 1) });
$db->begin_work;
failure('refused in a transaction', sub { $db->do('select n from hidden.secret') });
failure('refused in a transaction', sub { $db->do('select 1') });
$db->rollback;

$db->do('select pg_sleep(60)', { pg_async => PG_ASYNC });
select(undef, undef, undef, 1);
emit('cancel', $db->pg_cancel ? 1 : 0);
emit('cancel', [$db->selectrow_array('select 1')]);

# What drivers and tools on DBI ask of the catalogue.
emit('metadata', $db->column_info(undef, 'conf', 'types', '%')->fetchall_arrayref([3, 5, 6, 10]));
emit('metadata', [$db->primary_key(undef, 'conf', 'types')]);
emit('metadata', $db->table_info(undef, 'conf', '%')->fetchall_arrayref([1, 2, 3]));
emit('metadata', $db->foreign_key_info(undef, 'plain', 'parents', undef, 'plain', 'children')->fetchall_arrayref([1, 2, 3, 5, 6, 7]));
emit('metadata', $db->statistics_info(undef, 'plain', 'children', 0, 0)->fetchall_arrayref([1, 2, 5, 8]));
$db->do('listen conformance');
$db->do(q{notify conformance, 'payload'});
my $note = $db->pg_notifies;
emit('notify', [$note->[0], $note->[2]]);
undef $_ for $types, $parameters, $prepared, $broken, $insert;
$db->disconnect;
emit('end', 1);
