<?php
// PHP PDO and ext/pgsql: one transcript of JSON lines, the same directly and through Postern.
declare(strict_types=1);

fprintf(STDERR, "PHP %s, libpq %s\n", PHP_VERSION, PGSQL_LIBPQ_VERSION);

function emit(string $step, mixed $value): void
{
    echo json_encode(['step' => $step, 'value' => $value], JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR), "\n";
}

function failure(string $step, callable $run): void
{
    try {
        $run();
        emit($step, 'it succeeded');
    } catch (PDOException $error) {
        emit($step, $error->errorInfo[0]);
    }
}

$dsn = sprintf(
    'pgsql:host=%s;port=%s;dbname=%s;sslmode=verify-full;sslrootcert=%s',
    ...array_map('getenv', ['PGHOST', 'PGPORT', 'PGDATABASE', 'PGSSLROOTCERT']),
);
$db = new PDO($dsn, getenv('PGUSER'), getenv('PGPASSWORD'));
emit('connect', [$db->getAttribute(PDO::ATTR_SERVER_VERSION), $db->getAttribute(PDO::ATTR_DRIVER_NAME)]);

foreach ([false, true] as $emulated) {
    $db->setAttribute(PDO::ATTR_EMULATE_PREPARES, $emulated);
    $types = $db->prepare('select * from conf.types order by id');
    $types->execute();
    for ($i = 0; $i < $types->columnCount(); $i++) {
        $column = $types->getColumnMeta($i);
        // The OID of the table depends on the database.
        unset($column['pgsql:table_oid']);
        emit('types', $column);
    }
    foreach ($types as $row) {
        emit('types', array_map(fn ($value) => is_resource($value) ? bin2hex(stream_get_contents($value)) : $value, $row));
    }
    $parameters = $db->prepare('select ?::text, ?::bytea, ?::numeric, ?::jsonb, ?::bool, ?::int');
    $parameters->bindValue(1, null, PDO::PARAM_NULL);
    $parameters->bindValue(2, "\x01\xff\\", PDO::PARAM_LOB);
    $parameters->bindValue(3, '1e-20');
    $parameters->bindValue(4, '{"k": [null]}');
    $parameters->bindValue(5, false, PDO::PARAM_BOOL);
    $parameters->bindValue(6, 7, PDO::PARAM_INT);
    $parameters->execute();
    $row = $parameters->fetch(PDO::FETCH_NUM);
    $row[1] = bin2hex(stream_get_contents($row[1]));
    emit('parameters', $row);
}
$db->setAttribute(PDO::ATTR_EMULATE_PREPARES, false);
$large = str_repeat("x\u{e9}", 1_000_000);
$statement = $db->prepare('select ?::text, length(?::text)');
$statement->execute([$large, $large]);
[$echoed, $length] = $statement->fetch(PDO::FETCH_NUM);
emit('large', [$echoed === $large, $length]);

$prepared = $db->prepare('select label from conf.numbers where n = :n');
for ($n = 1; $n <= 5; $n++) {
    $prepared->execute(['n' => $n]);
    emit('prepared', $prepared->fetchAll(PDO::FETCH_NUM));
}
$broken = $db->prepare('select 1 / ?::int');
failure('prepared', fn () => $broken->execute([0]));
$broken->execute([1]);
emit('prepared', $broken->fetchAll(PDO::FETCH_NUM));

$insert = $db->prepare('insert into conf.scratch (id, v) values (?, ?)');
for ($n = 100; $n < 200; $n++) {
    $insert->execute([$n, "batch $n"]);
}
emit('batch', $db->exec("update conf.scratch set v = 'x' where id < 150; update conf.scratch set v = 'y' where id >= 150"));

$db->beginTransaction();
$walk = $db->prepare('select n from conf.numbers order by n', [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
$walk->execute();
emit('cursor', [$walk->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_ABS, 500), $walk->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_PRIOR), $walk->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_LAST)]);
$walk = null;
$db->commit();

$rows = [];
for ($n = 1000; $n < 21000; $n++) {
    $rows[] = "$n\t" . str_repeat('v', $n % 200) . "\n";
}
emit('copy in', $db->pgsqlCopyFromArray('conf.scratch', $rows, "\t", '\\\\N', 'id, v'));
emit('copy out', $db->pgsqlCopyToArray('conf.numbers'));
failure('copy refused', fn () => $db->pgsqlCopyFromArray('conf.scratch', ["x\n"], "\t", '\\\\N', 'id'));

$db->beginTransaction();
$db->exec("update conf.scratch set v = 'kept' where id = 100");
$db->exec('savepoint inner_one');
failure('savepoint', fn () => $db->exec('insert into conf.scratch (id) values (100)'));
failure('savepoint', fn () => $db->query('select 1'));
$db->exec('rollback to inner_one');
emit('savepoint', $db->query('select v from conf.scratch where id = 100')->fetchAll(PDO::FETCH_NUM));
$db->commit();
failure('error', fn () => $db->query('select * from conf.nowhere'));
failure('error', fn () => $db->query('select 1 / 0'));
failure('error', fn () => $db->query('selec'));
failure('refused', fn () => $db->query('select n from hidden.secret'));
failure('refused', fn () => $db->prepare('select n from hidden.secret where n = ?')->execute([1]));
$db->beginTransaction();
failure('refused in a transaction', fn () => $db->query('select n from hidden.secret'));
failure('refused in a transaction', fn () => $db->query('select 1'));
emit('refused in a transaction', $db->inTransaction());
$db->rollBack();

$db->exec('listen conformance');
$db->exec("notify conformance, 'payload'");
emit('notify', array_diff_key($db->pgsqlGetNotify(PDO::FETCH_ASSOC, 2000), ['pid' => 0]));
$db = null;

// PDO cannot cancel; the older extension can.
$link = pg_connect('');
pg_send_query($link, 'select pg_sleep(60)');
usleep(1_000_000);
emit('cancel', pg_cancel_query($link));
emit('cancel', pg_fetch_all(pg_query_params($link, 'select $1::int as one', [1])));
emit('metadata', pg_meta_data($link, 'conf.types'));
emit('metadata', pg_field_table(pg_query($link, 'select v from conf.scratch limit 1'), 0));
pg_close($link);
emit('end', true);
