import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { describeEnd, exitCode } from './child.ts';

const module = new URL('./child.ts', import.meta.url).href;

/** A process of its own that runs a command under a guard, as `postern run` does, and tells how it ended. */
function supervise(command: readonly string[], after = ''): ChildProcess {
  const script = `
    import { SignalGuard, exitCode, describeEnd } from '${module}';
    const guard = new SignalGuard();
    const ended = await guard.run(${JSON.stringify(command[0])}, ${JSON.stringify(command.slice(1))}, process.env);
    ${after}
    console.log('caught ' + guard.caught);
    console.log('ended ' + describeEnd(ended));
    guard.release();
    process.exitCode = exitCode(ended);`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
}

async function finish(child: ChildProcess): Promise<{ code: number | null; output: string }> {
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

/** Waits until the process has printed a word. */
async function printed(child: ChildProcess, word: string): Promise<void> {
  let output = '';
  while (!output.includes(word))
    output += String(((await once(child.stdout as Readable, 'data')) as [Buffer])[0]);
}

describe('a command run under a guard', () => {
  it('hands on its exit code', async () => {
    for (const code of [0, 1, 42, 255]) {
      assert.equal((await finish(supervise(['sh', '-c', `exit ${code}`]))).code, code);
    }
  });

  it('ends as 128 + n when a signal ends it', async () => {
    assert.equal((await finish(supervise(['sh', '-c', 'kill -9 $$']))).code, 137);
    assert.equal((await finish(supervise(['sh', '-c', 'kill -TERM $$']))).code, 143);
  });

  it('ends as 127 when it is not there and 126 when it cannot be run', async () => {
    const missing = await finish(supervise(['postern-no-such-command']));
    assert.equal(missing.code, 127);
    assert.match(missing.output, /could not be started \(ENOENT\)/);
    assert.equal((await finish(supervise(['/']))).code, 126);
    assert.equal((await finish(supervise(['bad\0name']))).code, 126);
  });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) {
    it(`is passed ${signal}, and its own answer to it counts`, async () => {
      const answer = `process.on('${signal}', () => { process.exitCode = 7; clearInterval(wait); });
        const wait = setInterval(() => {}, 1000); console.log('ready');`;
      const child = supervise([process.execPath, '-e', answer]);
      await printed(child, 'ready');
      child.kill(signal);
      const { code, output } = await finish(child);
      assert.equal(code, 7);
      assert.match(output, /caught null\nended exit 7/);
    });
  }

  it('that does not answer a signal dies of it, and the guard lives on to tidy up', async () => {
    const child = supervise(['sh', '-c', 'echo ready; exec sleep 60']);
    await printed(child, 'ready');
    child.kill('SIGTERM');
    const { code, output } = await finish(child);
    assert.equal(code, 143);
    assert.match(output, /ended signal SIGTERM/);
  });

  it('a signal before or after it is remembered instead of ending the process', async () => {
    const wait = `const alive = setInterval(() => {}, 1000);
      await new Promise((done) => { process.once('SIGTERM', done); console.log('waiting'); });
      clearInterval(alive);`;
    const child = supervise(['true'], wait);
    await printed(child, 'waiting');
    child.kill('SIGTERM');
    const { code, output } = await finish(child);
    assert.equal(code, 0);
    assert.match(output, /caught SIGTERM\nended exit 0/);
  });
});

describe('how a command ended', () => {
  it('is said as a shell says it', () => {
    assert.equal(exitCode({ how: 'signal', signal: 'SIGINT' }), 130);
    assert.equal(exitCode({ how: 'unstarted', code: 'EACCES', message: '' }), 126);
    assert.equal(describeEnd({ how: 'exit', code: 3 }), 'exit 3');
  });
});
