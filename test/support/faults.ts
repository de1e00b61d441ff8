/**
 * Faults below our code, at the system calls of a real process: strace kills it before the n-th call of a kind, or lets calls
 * fail, for as long as it watches. Nothing of the product knows of it.
 *
 * @see https://man7.org/linux/man-pages/man1/strace.1.html "Tampering"
 */
import { readFileSync } from 'node:fs';
import { ensureDebianPackages, STRACE } from '../../scripts/need.ts';
import { type Running, run, type StartOptions, start } from './processes.ts';

/** The calls that change a file or a directory. Between two of them what is on the disk stays the same. */
export const CHANGING = [
  ...['write', 'pwrite64', 'writev', 'pwritev', 'ftruncate', 'fallocate'],
  ...['fsync', 'fdatasync', 'rename', 'unlink', 'rmdir', 'mkdir', 'link', 'chmod', 'fchmod'],
] as const;

/** A point of a run: before the `n`-th call, from 1, of that name on the main thread. */
export interface Point {
  readonly call: string;
  readonly n: number;
}

/** What strace does to a call: `error=EIO`, `signal=KILL:when=3`, `delay_enter=100000`. */
export interface Injection {
  readonly calls: readonly string[];
  readonly effect: string;
}

function tracing(injections: readonly Injection[], trace: readonly string[], log: string): string[] {
  ensureDebianPackages([STRACE]);
  const all = [...new Set([...trace, ...injections.flatMap(({ calls }) => calls)])];
  return [
    ...['-f', '-qq', '-o', log, '-e', `trace=${all.join(',')}`],
    ...injections.flatMap(({ calls, effect }) => ['-e', `inject=${calls.join(',')}:${effect}`]),
  ];
}

/** Starts a program with faults from its beginning on. */
export function startFaulty(
  injections: readonly Injection[],
  command: string,
  args: readonly string[],
  options: StartOptions = {},
): Promise<Running> {
  const strace = tracing(injections, [], '/dev/null');
  // With --seccomp-bpf it would be faster, but strace 6.1 then forgets to send signals.
  return start('strace', [...strace, '--', command, ...args], options);
}

/** Calls of the main thread in one undisturbed run of a program, by name. */
export async function countCalls(
  log: string,
  command: string,
  args: readonly string[],
): Promise<Map<string, number>> {
  const strace = tracing([], CHANGING, log);
  const { code, stderr } = await run('strace', [...strace, '--seccomp-bpf', '--', command, ...args]);
  if (code !== 0) throw new Error(`the undisturbed run failed (${code}): ${stderr}`);
  const lines = readFileSync(log, 'utf8').split('\n');
  const main = lines[0]?.split(' ', 1)[0] ?? '';
  const counts = new Map<string, number>();
  for (const line of lines) {
    const match = /^(\d+) +(\w+)\(/.exec(line);
    const call = match?.[2];
    if (call === undefined || match?.[1] !== main) continue;
    counts.set(call, (counts.get(call) ?? 0) + 1);
  }
  return counts;
}

/** Kills the process (SIGKILL) at a point: the call itself is not carried out. */
export function killedAt({ call, n }: Point): Injection {
  return { calls: [call], effect: `signal=KILL:when=${n}` };
}

/** Faults that begin now, in a process that runs already, and end when `end` is called. */
export interface Fault {
  end(): Promise<void>;
}

/** Lets calls of a running process and its threads fail: all, or those on one file. */
export async function attachFault(
  pid: number,
  injections: readonly Injection[],
  file?: string,
): Promise<Fault> {
  const strace = tracing(injections, [], '/dev/null').filter((word) => word !== '-qq');
  const only = file === undefined ? [] : ['-P', file];
  const running = await start('strace', [...strace, ...only, '-p', String(pid)]);
  await running.waitFor(/attached/);
  return { end: async () => void (await running.stop('SIGINT')) };
}

/** A system call, with its place among all of them: `began` and `ended` count the lines of the trace. */
export interface SystemCall {
  readonly name: string;
  /** As strace writes them, files and connections named beside their descriptors. */
  readonly args: string;
  readonly result: string;
  readonly began: number;
  readonly ended: number;
}

/** Watches calls of a running process and its threads, into the file `log`, from now on until `end` is called. */
export async function watchCalls(
  pid: number,
  log: string,
  names: readonly string[],
): Promise<Fault & { calls(): SystemCall[] }> {
  ensureDebianPackages([STRACE]);
  const what = ['-f', '-yy', '-s', '1000000', '-o', log, '-e', `trace=${names.join(',')}`];
  const running = await start('strace', [...what, '-p', String(pid)]);
  await running.waitFor(/attached/);
  return {
    end: async () => void (await running.stop('SIGINT')),
    calls: () => parseCalls(readFileSync(log, 'utf8')),
  };
}

function parseCalls(trace: string): SystemCall[] {
  const unfinished = new Map<string, { name: string; args: string; began: number }>();
  const calls: SystemCall[] = [];
  for (const [at, line] of trace.split('\n').entries()) {
    const thread = line.split(' ', 1)[0] ?? '';
    const begun = /^\d+ +(\w+)\((.*) <unfinished \.\.\.>$/.exec(line);
    if (begun) {
      unfinished.set(thread, { name: begun[1] ?? '', args: begun[2] ?? '', began: at });
      continue;
    }
    const ended = /^\d+ +<\.\.\. \w+ resumed>.*\) += (\S+)/.exec(line);
    const open = unfinished.get(thread);
    if (ended && open) {
      unfinished.delete(thread);
      calls.push({ ...open, result: ended[1] ?? '', ended: at });
      continue;
    }
    const whole = /^\d+ +(\w+)\((.*)\) += (\S+)/.exec(line);
    if (whole) {
      const [, name = '', args = '', result = ''] = whole;
      calls.push({ name, args, result, began: at, ended: at });
    }
  }
  return calls;
}
