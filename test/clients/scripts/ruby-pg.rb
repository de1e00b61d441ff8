# Ruby pg: one transcript of JSON lines, the same directly and through Postern.
require 'json'
require 'pg'

warn "ruby-pg #{PG::VERSION}, libpq #{PG.library_version}"
$stdout.sync = true

def emit(step, value)
  puts JSON.generate({ step: step, value: value })
end

def failure(step)
  yield
  emit(step, 'it succeeded')
rescue PG::Error => error
  emit(step, error.result&.error_field(PG::Result::PG_DIAG_SQLSTATE) || error.class.name)
end

db = PG.connect
emit('connect', [db.parameter_status('server_version'), db.parameter_status('client_encoding'), db.transaction_status])

types = db.exec('select * from conf.types order by id')
emit('types', types.fields.each_index.map { |i| [types.fname(i), types.ftype(i), types.fmod(i), types.fsize(i)] })
types.each_row { |row| emit('types', row) }
emit('types', db.exec_params('select id, big, bytes from conf.types order by id', [], 1).values.map { |row| row.map { |v| v&.unpack1('H*') } })
db.type_map_for_results = PG::BasicTypeMapForResults.new(db)
emit('types', db.exec('select flag, small, exact::text, twice, ints, texts, doc from conf.types order by id').values.map(&:inspect))
db.type_map_for_results = PG::TypeMapAllStrings.new
bytes = { value: "\x00\xff\\".b, type: 17, format: 1 }
emit('parameters', db.exec_params('select $1::text, $2::bytea, $3::int[], $4::numeric, $5::jsonb', [nil, bytes, '{1,null,3}', '1e-20', '{"k": [null]}']).values)
large = "x\u00e9" * 1_000_000
emit('large', db.exec_params('select $1::text = $2::text, length($1::text), $1::text', [large, large]).values.map { |a, b, c| [a, b, c == large] })

db.prepare('by_number', 'select label from conf.numbers where n = $1')
(1..5).each { |n| emit('prepared', db.exec_prepared('by_number', [n]).values) }
described = db.describe_prepared('by_number')
emit('prepared', [described.nparams, described.paramtype(0), described.fname(0)])
db.exec('deallocate by_number')
failure('prepared') { db.exec_prepared('by_number', [1]) }

db.enter_pipeline_mode
(1..40).each { |n| db.send_query_params('select square from conf.numbers where n = $1', [n]) }
db.send_query_params('select 1 / $1::int', [0])
db.send_query_params('select 2', [])
db.pipeline_sync
results = []
loop do
  result = db.get_result
  next if result.nil?

  results << [result.res_status(result.result_status), result.values, result.error_field(PG::Result::PG_DIAG_SQLSTATE)]
  break if result.result_status == PG::PGRES_PIPELINE_SYNC
rescue PG::Error => error
  results << error.class.name
end
db.get_result
db.exit_pipeline_mode
emit('pipeline', results)
emit('batch', db.exec('select 1; select 2, 3').values)

db.send_query('select n from conf.numbers order by n')
db.set_single_row_mode
sum = 0
db.get_result.stream_each_row { |row| sum += row[0].to_i }
db.get_result
emit('cursor', sum)
db.transaction do
  db.exec('declare walk scroll cursor for select n from conf.numbers order by n')
  emit('cursor', [db.exec('fetch absolute 500 from walk').values, db.exec('fetch backward 3 from walk').values, db.exec('move last from walk').cmd_tuples])
end

copied = db.copy_data('copy conf.scratch (id, v, b) from stdin') do
  (1000...21_000).each { |n| db.put_copy_data("#{n}\t#{'v' * (n % 200)}\t\\\\x000a\n") }
end
emit('copy in', copied.cmd_tuples)
rows = []
db.copy_data('copy (select id, v, b from conf.scratch where id between 1000 and 1100 order by id) to stdout') do
  while (row = db.get_copy_data)
    rows << row
  end
end
emit('copy out', rows)
failure('copy refused') { db.copy_data('copy conf.scratch (id) from stdin') { db.put_copy_data("x\n") } }
begin
  db.copy_data('copy conf.scratch (id) from stdin') { raise ArgumentError, 'given up' }
rescue ArgumentError => error
  emit('copy abandoned', [error.message, db.transaction_status])
end

db.exec("insert into conf.scratch (id, v) values (100, 'first')")
db.transaction do
  db.exec("update conf.scratch set v = 'kept' where id = 100")
  db.exec('savepoint inner_one')
  failure('savepoint') { db.exec('insert into conf.scratch (id) values (100)') }
  failure('savepoint') { db.exec('select 1') }
  db.exec('rollback to inner_one')
end
emit('savepoint', db.exec('select v from conf.scratch where id = 100').values)
failure('error') { db.exec('select * from conf.nowhere') }
failure('error') { db.exec_params('select 1 / $1::int', [0]) }
failure('error') { db.exec('selec') }
failure('refused') { db.exec('select n from hidden.secret') }
failure('refused') { db.exec_params('select n from hidden.secret where n = $1', [1]) }
db.exec('begin')
failure('refused in a transaction') { db.exec('select n from hidden.secret') }
failure('refused in a transaction') { db.exec('select 1') }
emit('refused in a transaction', db.transaction_status)
db.exec('rollback')

db.send_query('select pg_sleep(60)')
sleep 1
emit('cancel', db.cancel)
failure('cancel') { db.get_last_result }
emit('cancel', db.exec('select 1').values)
db.exec('listen conformance')
db.exec("notify conformance, 'payload'")
db.wait_for_notify(2) { |channel, _pid, payload| emit('notify', [channel, payload]) }
db.reset
emit('reset', db.exec('select 1').values)
db.close
emit('end', db.finished?)
