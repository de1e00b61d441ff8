/**
 * Which run-time settings a session may change. All others are refused: among them are those that change who the session is,
 * how SQL text is read, what triggers do, and what the server loads or logs.
 *
 * @see https://www.postgresql.org/docs/18/runtime-config-client.html
 */
import type { Refusal } from './classified.ts';

const HARMLESS: ReadonlySet<string> = new Set([
  'application_name',
  'array_nulls',
  'bytea_output',
  'check_function_bodies',
  'client_connection_check_interval',
  'client_min_messages',
  'constraint_exclusion',
  'cpu_index_tuple_cost',
  'cpu_operator_cost',
  'cpu_tuple_cost',
  'cursor_tuple_fraction',
  'datestyle',
  'default_statistics_target',
  'default_table_access_method',
  'default_tablespace',
  'default_text_search_config',
  'default_toast_compression',
  'default_transaction_deferrable',
  'default_transaction_isolation',
  'default_transaction_read_only',
  'effective_cache_size',
  'effective_io_concurrency',
  'escape_string_warning',
  'extra_float_digits',
  'from_collapse_limit',
  'geqo',
  'geqo_threshold',
  'gin_fuzzy_search_limit',
  'hash_mem_multiplier',
  'idle_in_transaction_session_timeout',
  'idle_session_timeout',
  'intervalstyle',
  'jit',
  'jit_above_cost',
  'join_collapse_limit',
  'lc_monetary',
  'lc_numeric',
  'lc_time',
  'lock_timeout',
  'maintenance_work_mem',
  'max_parallel_maintenance_workers',
  'max_parallel_workers',
  'max_parallel_workers_per_gather',
  'min_parallel_index_scan_size',
  'min_parallel_table_scan_size',
  'parallel_leader_participation',
  'parallel_setup_cost',
  'parallel_tuple_cost',
  'plan_cache_mode',
  'quote_all_identifiers',
  'random_page_cost',
  'recursive_worktable_factor',
  'restrict_nonsystem_relation_kind',
  'row_security',
  'search_path',
  'seq_page_cost',
  'statement_timeout',
  'stats_fetch_consistency',
  'synchronize_seqscans',
  'synchronous_commit',
  'temp_buffers',
  'temp_tablespaces',
  'timezone',
  'transaction_deferrable',
  'transaction_isolation',
  'transaction_read_only',
  'transaction_timeout',
  'work_mem',
  'xmlbinary',
  'xmloption',
]);

/** Settings that change how Postern or PostgreSQL reads the text of a statement: with these values only. */
const FIXED: ReadonlyMap<string, { readonly allowed: RegExp; readonly say: string }> = new Map([
  ['standard_conforming_strings', { allowed: /^(on|true|yes|1)$/i, say: 'on' }],
  // PostgreSQL reads letters and digits of an encoding's name only; asyncpg sends it in quotes.
  ['client_encoding', { allowed: /^['" _-]{0,4}(utf[-_ ]?8|unicode)['" _-]{0,4}$/i, say: 'UTF8' }],
]);

export type SettingRule =
  | { readonly kind: 'free'; readonly searchPath: boolean }
  /** Needs `set` on `schema`.`name`: a setting of an extension or of the application. */
  | { readonly kind: 'custom'; readonly schema: string; readonly name: string }
  | { readonly kind: 'denied'; readonly refusal: Refusal };

const denied = (reason: string, hint?: string): SettingRule => ({
  kind: 'denied',
  refusal: { code: 'POSTERN_UNSUPPORTED', reason, ...(hint === undefined ? {} : { hint }) },
});

/**
 * May the setting be changed?
 *
 * @param value The new value; null where it cannot be seen, undefined for a reset to the session's default.
 */
export function settingRule(setting: string, value: string | null | undefined): SettingRule {
  const name = setting.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const fixed = FIXED.get(name);
  if (fixed !== undefined) {
    if (value === undefined || (value !== null && fixed.allowed.test(value.trim()))) {
      return { kind: 'free', searchPath: false };
    }
    return denied(
      `${name} can only be ${fixed.say} here`,
      `Postern reads statements with ${name} = ${fixed.say}.`,
    );
  }
  if (HARMLESS.has(name) || /^enable_[a-z_]+$/.test(name)) {
    return { kind: 'free', searchPath: name === 'search_path' };
  }
  const dot = name.indexOf('.');
  if (dot > 0 && dot < name.length - 1) {
    return { kind: 'custom', schema: name.slice(0, dot), name: name.slice(dot + 1) };
  }
  return denied(`the setting ${JSON.stringify(name)} cannot be changed through Postern`);
}

/** Parameters of the startup packet that are not run-time settings. */
const STARTUP_PARAMETERS: ReadonlySet<string> = new Set(['user', 'database', 'options']);

/**
 * Is a startup parameter, or a setting from `options`, refused? Settings of an application are too, since no scope has
 * been looked at by then: set them with SET.
 *
 * @returns null when it may be passed on
 */
export function startupOptionDenied(name: string, value: string): Refusal | null {
  if (STARTUP_PARAMETERS.has(name) || name.startsWith('_pq_.')) return null;
  const rule = settingRule(name, value);
  if (rule.kind === 'free') return null;
  if (rule.kind === 'denied') return rule.refusal;
  return {
    code: 'POSTERN_UNSUPPORTED',
    reason: `${name} cannot be set while connecting`,
    hint: `Use SET after connecting, with the scope: set on ${rule.schema}.${rule.name}`,
  };
}

/**
 * The settings in the `options` startup parameter: `-c name=value`, `-cname=value`, `--name=value`, where a backslash
 * takes the next character as it is.
 *
 * @returns null where there is anything else in it
 * @see https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNECT-OPTIONS
 */
export function parseStartupOptions(
  options: string,
): readonly (readonly [name: string, value: string])[] | null {
  const words = splitWords(options);
  const settings: (readonly [string, string])[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] as string;
    let text: string | undefined;
    if (word === '-c') {
      at += 1;
      text = words[at];
    } else if (word.startsWith('-c') || (word.startsWith('--') && word.length > 2)) {
      text = word.slice(2);
    }
    const equals = text?.indexOf('=') ?? -1;
    if (text === undefined || equals < 1) return null;
    // PostgreSQL reads a dash in the name as an underscore.
    settings.push([text.slice(0, equals).replaceAll('-', '_'), text.slice(equals + 1)]);
  }
  return settings;
}

function splitWords(options: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  for (let at = 0; at < options.length; at += 1) {
    const char = options[at] as string;
    if (/[ \t\n\v\f\r]/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (char === '\\') {
      at += 1;
      word = (word ?? '') + (options[at] ?? '');
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== null) words.push(word);
  return words;
}
