import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PrincipalView } from '../core/views.ts';
import { RefusalLog } from './refusal-log.ts';

describe('the records of refused connections', () => {
  const principal = (n: number) => ({ id: `p${n}`, name: `n${n}` }) as PrincipalView;
  const log = () => {
    const written: { principal: { id: string }; repeated?: number }[] = [];
    const refusals = new RefusalLog({ append: (json) => void written.push(JSON.parse(json)) }, 'postgres');
    const knock = (n: number, address: string): void =>
      refusals.note({
        ...{ principal: principal(n), resource: undefined, source: `${address}:5000` },
        ...{ code: 'POSTERN_AUTH_FAILED', reason: 'no' },
      });
    const total = (): number => written.reduce((sum, { repeated = 1 }) => sum + repeated, 0);
    return { written, refusals, knock, total };
  };

  it('are few however often one client knocks, and none is left out of the number', () => {
    const { written, refusals, knock, total } = log();
    for (let times = 0; times < 5000; times++) knock(1, '192.0.2.1');
    assert.equal(written.length, 10);
    refusals.flush();
    assert.equal(written.length, 11);
    assert.equal(written.at(-1)?.repeated, 4990);
    assert.equal(total(), 5000);
    refusals.flush();
    assert.equal(written.length, 11);
  });

  it('are few however many addresses knock', () => {
    const { written, refusals, knock, total } = log();
    for (let host = 0; host < 20_000; host++) knock(host % 3, `10.${host >> 8}.${host & 255}.1`);
    refusals.flush();
    assert.ok(written.length <= 256 + 3, String(written.length));
    assert.equal(total(), 20_000);
  });
});
