# asyncpg, which shares no code with libpq: one transcript of JSON lines, the same directly and through Postern.
import asyncio
import datetime
import io
import json
import os
import ssl
import sys

import asyncpg

print(f"asyncpg {asyncpg.__version__}", file=sys.stderr)


def emit(step, value):
    print(json.dumps({"step": step, "value": value}, default=repr), flush=True)


async def failure(step, work):
    try:
        await work
        emit(step, "it succeeded")
    except asyncpg.PostgresError as error:
        emit(step, error.sqlstate)


async def session(conn):
    emit("connect", [conn.get_server_version(), conn.get_settings().client_encoding])
    for row in await conn.fetch("select * from conf.types order by id"):
        emit("types", dict(row))
    instant = datetime.datetime(2024, 3, 31, 1, 30, tzinfo=datetime.timezone.utc)
    values = (None, b"\x00\xff\\", [1, None, 3], '{"k": [null]}', instant, asyncpg.Range(1, 5), "ok")
    emit("parameters", list(await conn.fetchrow("select $1::text, $2::bytea, $3::int[], $4::jsonb, $5::timestamptz, $6::int4range, $7::conf.mood", *values)))
    large = "x\u00e9" * 1_500_000
    emit("large", await conn.fetchval("select $1::text", large) == large)
    prepared = await conn.prepare("select label from conf.numbers where n = $1")
    for n in range(1, 6):
        emit("prepared", await prepared.fetchval(n))
    await conn.executemany("insert into conf.scratch (id, v) values ($1, $2)", [(n, f"batch {n}") for n in range(100, 400)])
    emit("batch", await conn.fetchval("select count(*) from conf.scratch"))
    emit("batch", await conn.execute("select 1; select 2"))
    records = [(n, "v" * (n % 200)) for n in range(1000, 11000)]
    emit("copy in", await conn.copy_records_to_table("scratch", schema_name="conf", columns=["id", "v"], records=records))
    output = io.BytesIO()
    emit("copy out", await conn.copy_from_query("select id, v from conf.scratch where id between $1 and $2 order by id", 1000, 1200, output=output))
    emit("copy out", output.getvalue().decode())
    async with conn.transaction():
        emit("cursor", sum([row["n"] async for row in conn.cursor("select n from conf.numbers", prefetch=100)]))
        try:
            async with conn.transaction():
                await conn.execute("insert into conf.scratch (id) values (100)")
        except asyncpg.UniqueViolationError as error:
            emit("savepoint", [error.sqlstate, error.constraint_name, error.detail])
        emit("savepoint", await conn.fetchval("select v from conf.scratch where id = 100"))
    await failure("error", conn.fetch("select * from conf.nowhere"))
    await failure("error", conn.fetch("select 1 / $1::int", 0))
    await failure("error", conn.execute("selec"))
    await failure("refused", conn.fetch("select n from hidden.secret"))
    await failure("refused", conn.execute("select n from hidden.secret"))
    try:
        await conn.fetch("select pg_sleep(60)", timeout=1)
    except asyncio.TimeoutError:
        emit("cancel", await conn.fetchval("select 1"))
    heard = asyncio.get_running_loop().create_future()

    def hear(_conn, _pid, channel, payload):
        heard.set_result([channel, payload])

    await conn.add_listener("conformance", hear)
    await conn.execute("notify conformance, 'payload'")
    emit("notify", await asyncio.wait_for(heard, 10))
    await conn.remove_listener("conformance", hear)
    await conn.reset()
    emit("reset", await conn.fetchval("select 1"))


async def main():
    tls = ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])
    conn = await asyncpg.connect(ssl=tls)
    await session(conn)
    await conn.close()
    async with asyncpg.create_pool(ssl=tls, min_size=2, max_size=4) as pool:
        emit("pool", await asyncio.gather(*[pool.fetchval("select square from conf.numbers where n = $1", n) for n in range(1, 50)]))
    emit("end", True)


asyncio.run(main())
