import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cancelKeyOf, cancelSecretBytes, negotiate, offeredVersion, PROTOCOL_3_2 } from './negotiation.ts';
import { Back, cstring, int32, message, PROTOCOL_3_0, readStartup, startup, WireError } from './wire.ts';

const packet = (version: number, ...names: string[]) => {
  const read = readStartup(
    startup([['user', 'batch'], ...names.map((name) => [name, 'on'] as const)], version),
  );
  assert.ok(read);
  return read.packet;
};

describe('the protocol version on the client leg', () => {
  it('is the one asked for up to 3.2, without a word', () => {
    for (const version of [PROTOCOL_3_0, PROTOCOL_3_0 + 1, PROTOCOL_3_2])
      assert.deepEqual(negotiate(packet(version)), { version, answer: null });
  });

  it('is 3.2 for whoever asks for more, and options that are not known are named', () => {
    const newer = negotiate(packet(PROTOCOL_3_0 + 9999));
    assert.equal(newer.version, PROTOCOL_3_2);
    assert.deepEqual(newer.answer, message(Back.negotiateProtocolVersion, int32(PROTOCOL_3_2), int32(0)));
    const option = negotiate(packet(PROTOCOL_3_0, '_pq_.one', 'DateStyle', '_pq_.two'));
    assert.deepEqual(
      option.answer,
      message(
        Back.negotiateProtocolVersion,
        ...[int32(PROTOCOL_3_0), int32(2), cstring('_pq_.one'), cstring('_pq_.two')],
      ),
    );
  });

  it('decides how long the secret of a cancel key is, as in PostgreSQL 18', () => {
    assert.deepEqual([PROTOCOL_3_0, PROTOCOL_3_0 + 1, PROTOCOL_3_2].map(cancelSecretBytes), [4, 4, 32]);
  });
});

describe('the protocol version towards a resource', () => {
  const offer = (version: number, options = 0): Buffer =>
    message(Back.negotiateProtocolVersion, int32(version), int32(options));
  const offered = (bytes: Buffer): number => offeredVersion(bytes, 0, bytes.length, PROTOCOL_3_2);

  it('is what an older server offers, said whole or as the minor version alone', () => {
    assert.equal(offered(offer(PROTOCOL_3_0)), PROTOCOL_3_0);
    assert.equal(offered(offer(0)), PROTOCOL_3_0);
    assert.equal(offered(offer(1)), PROTOCOL_3_0 + 1);
  });

  it('is never another than what was asked for or less', () => {
    for (const bad of [
      offer(PROTOCOL_3_2),
      offer(PROTOCOL_3_0 + 3),
      offer(2 << 16),
      offer(-1),
      offer(PROTOCOL_3_0, 1),
      message(Back.negotiateProtocolVersion, int32(PROTOCOL_3_0)),
      message(Back.negotiateProtocolVersion),
    ]) {
      assert.throws(() => offered(bad), WireError);
    }
  });

  it('says how long a cancel key may be', () => {
    const key = (bytes: number): Buffer => message(Back.backendKeyData, int32(7), Buffer.alloc(bytes, 0xab));
    const taken = (bytes: number, version: number): boolean => {
      const frame = key(bytes);
      try {
        return cancelKeyOf(frame, 0, frame.length, version).equals(frame.subarray(5));
      } catch (error) {
        assert.ok(error instanceof WireError);
        return false;
      }
    };
    for (let bytes = 0; bytes <= 300; bytes++) {
      assert.equal(taken(bytes, PROTOCOL_3_0), bytes === 4);
      assert.equal(taken(bytes, PROTOCOL_3_2), bytes >= 4 && bytes <= 256);
    }
  });

  it('never fails in another way than WireError on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const frame = message(Back.negotiateProtocolVersion, Buffer.from(bytes));
        for (const read of [() => offered(frame), () => cancelKeyOf(frame, 0, frame.length, PROTOCOL_3_2)]) {
          try {
            read();
          } catch (error) {
            assert.ok(error instanceof WireError);
          }
        }
      }),
    );
  });
});
