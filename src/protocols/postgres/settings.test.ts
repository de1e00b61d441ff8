import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseStartupOptions, settingRule, startupOptionDenied } from './settings.ts';

test('harmless settings are free, whatever their case', () => {
  for (const name of [
    'application_name',
    'DateStyle',
    'TimeZone',
    'statement_timeout',
    'enable_hashjoin',
    'work_mem',
  ]) {
    assert.deepEqual(settingRule(name, 'x'), { kind: 'free', searchPath: false }, name);
  }
  assert.deepEqual(settingRule('Search_Path', 'x'), { kind: 'free', searchPath: true });
});

test('settings that change the rights, the text or the server are refused', () => {
  for (const name of [
    'role',
    'session_authorization',
    'session_replication_role',
    'backslash_quote',
    'session_preload_libraries',
    'dynamic_library_path',
    'log_statement',
    'event_triggers',
    'allow_system_table_mods',
    'lo_compat_privileges',
    'password_encryption',
    'enable_',
    '',
    '.x',
    'x.',
    'constructor',
  ]) {
    assert.equal(settingRule(name, 'on').kind, 'denied', name);
  }
});

test('strings and encoding can only be what Postern reads', () => {
  assert.equal(settingRule('standard_conforming_strings', 'on').kind, 'free');
  assert.equal(settingRule('standard_conforming_strings', undefined).kind, 'free');
  for (const value of ['off', 'o', '0', '', null]) {
    assert.equal(settingRule('standard_conforming_strings', value).kind, 'denied', String(value));
  }
  for (const value of ['utf8', 'UTF-8', 'utf_8', 'Unicode', "'utf-8'", '"UTF8"'])
    assert.equal(settingRule('client_encoding', value).kind, 'free');
  for (const value of [
    'latin1',
    'sql_ascii',
    'utf16',
    'auto',
    "'latin1'",
    'utf8 latin1',
    'utf88',
    '',
    null,
  ]) {
    assert.equal(settingRule('client_encoding', value).kind, 'denied', String(value));
  }
});

test('a setting with a dot is of an application and needs its own scope', () => {
  assert.deepEqual(settingRule('App.User.Id', 'x'), { kind: 'custom', schema: 'app', name: 'user.id' });
});

test('startup parameters follow the same rules, and an application setting waits for a scope', () => {
  for (const [name, value] of [
    ['user', 'x'],
    ['database', 'x'],
    ['options', '-c geqo=off'],
    ['client_encoding', 'UTF8'],
    ['application_name', 'psql'],
    ['extra_float_digits', '3'],
    ['_pq_.anything', '1'],
  ] as const) {
    assert.equal(startupOptionDenied(name, value), null, name);
  }
  for (const [name, value] of [
    ['role', 'postgres'],
    ['session_authorization', 'x'],
    ['replication', 'database'],
    ['client_encoding', 'LATIN1'],
    ['standard_conforming_strings', 'off'],
    ['app.user', 'x'],
  ] as const) {
    assert.equal(startupOptionDenied(name, value)?.code, 'POSTERN_UNSUPPORTED', name);
  }
});

test('the options parameter is read in each of its spellings, and refused where it holds anything else', () => {
  assert.deepEqual(parseStartupOptions(''), []);
  assert.deepEqual(parseStartupOptions(' -c a=b  --search-path=x\\ y -cstatement_timeout=5 -c x=a=b\\\\c'), [
    ['a', 'b'],
    ['search_path', 'x y'],
    ['statement_timeout', '5'],
    ['x', 'a=b\\c'],
  ]);
  for (const text of ['-c', '-c a', '--', '--a', '-d 5', 'a=b', '-c =x', '-S 5 -c a=b', '-fs', '-O', '-P']) {
    assert.equal(parseStartupOptions(text), null, text);
  }
});
