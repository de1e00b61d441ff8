/** What a PostgreSQL server says it ran: its log with `log_statement = all`, read back. */
import { readFileSync } from 'node:fs';
import type { TestPostgres } from './postgres.ts';

/** Settings under which {@link statementsOf} can read the log. */
export const LOG_EVERYTHING: Readonly<Record<string, string>> = {
  log_statement: 'all',
  log_line_prefix: '%n|%p|%a|',
  log_min_messages: 'warning',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_parameter_max_length: '0',
};

export interface Logged {
  /** Milliseconds since the Unix epoch, with microsecond fraction cut to milliseconds by the server. */
  readonly at: number;
  readonly pid: number;
  readonly application: string;
  readonly text: string;
}

/** Every statement that the server began to run, oldest first. */
export function statementsOf(server: TestPostgres): Logged[] {
  const logged: Logged[] = [];
  let open: { at: number; pid: number; application: string; text: string } | null = null;
  for (const line of readFileSync(server.logFile, 'utf8').split('\n')) {
    const entry = /^(\d+\.\d+)\|(\d+)\|([^|]*)\|(\w+): {2}(.*)$/s.exec(line);
    if (entry === null) {
      // Further lines of a text begin with a tab of the server's.
      if (open !== null && line.startsWith('\t')) open.text += `\n${line.slice(1)}`;
      continue;
    }
    if (open !== null) logged.push(open);
    open = null;
    const [, at = '', pid = '', called = '', level, words = ''] = entry;
    // Through Postern the name says who it is, and then what the client calls itself.
    const application = called.replace(/^postern\/[^/]*\/[0-9a-f]{12}\//, '');
    const ran = /^(?:statement|execute (?:fetch from )?[^:]*): (.*)$/s.exec(words);
    if (level === 'LOG' && ran !== null) {
      open = { at: Number(at) * 1000, pid: Number(pid), application, text: ran[1] ?? '' };
    }
  }
  if (open !== null) logged.push(open);
  return logged;
}
