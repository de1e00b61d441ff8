/** The ways in which a client can send the same statements. */
import { cstring, Front, int16, message } from '../../src/protocols/postgres/wire.ts';
import { say } from './wire-client.ts';

/** Statements of an attempt, cut where no literal holds a semicolon. */
export const pieces = (attempt: string): string[] => attempt.split('; ');

/** Bind with every result column in binary. */
const bindBinary = (): Buffer =>
  message(Front.bind, cstring(''), cstring(''), int16(0), int16(0), int16(1), int16(1));

export const WAYS: Readonly<Record<string, (sql: string) => Buffer[]>> = {
  'as one string': (sql) => [say.query(sql)],
  'one by one': (sql) => pieces(sql).map((each) => say.query(each)),
  'extended, described': (sql) =>
    pieces(sql).flatMap((each) => [
      say.parse('', each),
      say.bind('', ''),
      say.describe('P', ''),
      say.execute(''),
      say.sync(),
    ]),
  'extended, not described, in binary': (sql) =>
    pieces(sql).flatMap((each) => [say.parse('', each), bindBinary(), say.execute(''), say.sync()]),
  'extended, row by row': (sql) =>
    pieces(sql).flatMap((each) => [
      say.parse('', each),
      say.describe('S', ''),
      say.bind('', ''),
      say.execute('', 1),
      say.execute('', 1),
      say.execute('', 0),
      say.sync(),
    ]),
};
