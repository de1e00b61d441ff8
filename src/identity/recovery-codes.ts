import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Person } from '../store/entities.ts';
import { findPerson, found } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { personActor } from './persons.ts';

const CODES = 10;
/** Crockford's alphabet: nothing in it looks like something else. 16 characters are 80 bits. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const LENGTH = 16;
/** 32 MiB and some 60 ms each. */
const COST = { N: 32_768, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
/** So many computations at a time, so many more that wait. */
const AT_ONCE = 2;
const WAITING = 16;

/** Single-use codes for somebody who has lost their passkey. What is kept is scrypt of them. */
export class RecoveryCodes {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  /** Makes the salt of somebody who is not there, always the same one. */
  readonly #decoy = randomBytes(32);
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /** Ten new codes for a person; those of before are worth nothing any more. */
  async issue(person: Person): Promise<string[]> {
    const salt = randomBytes(16);
    const codes = Array.from({ length: CODES }, newCode);
    const hashes: Buffer[] = [];
    for (const code of codes) hashes.push(await this.#hash(code, salt));
    return this.#changes.run(personActor(person), async (db) => {
      const now = found(await findPerson(db, person.id), 'person', person.id);
      return {
        changes: [
          {
            type: 'recovery_codes.issued',
            entity: 'person',
            before: now,
            after: now,
            reason: `${CODES} recovery codes issued; those of before are void`,
          },
        ],
        beside: async (tx) => {
          await tx.deleteFrom('recovery_codes').where('person_id', '=', person.id).execute();
          await tx
            .insertInto('recovery_codes')
            .values(hashes.map((hash) => ({ person_id: person.id, salt, hash })))
            .execute();
        },
        result: codes.map((code) => code.replace(/(.{4})(?=.)/g, '$1-')),
      };
    });
  }

  /** How many are left. */
  async left(personId: string): Promise<number> {
    const rows = await this.#db
      .selectFrom('recovery_codes')
      .select('hash')
      .where('person_id', '=', personId)
      .execute();
    return rows.length;
  }

  /**
   * Uses a code up. One computation of the same length whoever is named, whether they are there and have codes or not.
   *
   * @returns id of the person
   * @throws PosternError POSTERN_UNAUTHORIZED, with one message for every reason; POSTERN_TOO_MANY_REQUESTS when many wait
   */
  async use(email: string, typed: string): Promise<string> {
    const person = await findPerson(this.#db, email.includes('@') ? email : `${email}@`);
    const rows = person
      ? await this.#db.selectFrom('recovery_codes').selectAll().where('person_id', '=', person.id).execute()
      : [];
    const salt = rows[0]?.salt ?? createHmac('sha256', this.#decoy).update(email).digest().subarray(0, 16);
    const hash = await this.#hash(normal(typed), salt);
    const row = rows.filter((one) => timingSafeEqual(one.hash, hash))[0];
    if (row !== undefined && person?.status === 'active') {
      // Of two that come at the same time one finds it gone.
      const gone = await this.#changes.exclusive(() =>
        this.#db
          .deleteFrom('recovery_codes')
          .where('person_id', '=', person.id)
          .where('hash', '=', row.hash)
          .executeTakeFirst(),
      );
      if (gone.numDeletedRows === 1n) return person.id;
    }
    throw new PosternError(
      'POSTERN_UNAUTHORIZED',
      'The address and the recovery code do not belong together, or the code was used already.',
    );
  }

  async #hash(code: string, salt: Uint8Array): Promise<Buffer> {
    if (this.#running >= AT_ONCE) {
      if (this.#waiting.length >= WAITING) {
        throw new PosternError(
          'POSTERN_TOO_MANY_REQUESTS',
          'Too many recovery codes at a time.',
          'Wait a moment.',
        );
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#running += 1;
    try {
      return await new Promise((resolve, reject) => {
        scrypt(code, salt, 32, COST, (error, key) => (error === null ? resolve(key) : reject(error)));
      });
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }
}

const newCode = (): string => [...randomBytes(LENGTH)].map((byte) => ALPHABET[byte & 31] as string).join('');

/** As it was given out, however it was typed. */
const normal = (typed: string): string =>
  typed.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1').slice(0, 64);
