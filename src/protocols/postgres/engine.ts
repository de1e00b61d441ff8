/**
 * PostgreSQL's own parser as WebAssembly. An instance that ran out of stack stays damaged (after some dozens of such
 * inputs every later call fails), so it is thrown away at once; that is why the package's shared instance is not used.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** The part of the Emscripten module that is used. Addresses are byte offsets into its memory. */
interface PgQueryModule {
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(address: number): void;
  _wasm_parse_query_raw(query: number): number;
  _wasm_free_parse_result(result: number): void;
  _wasm_fingerprint(query: number): number;
  _wasm_free_string(address: number): void;
  getValue(address: number, type: 'i32'): number;
  stringToUTF8(text: string, address: number, bytes: number): void;
  UTF8ToString(address: number): string;
}

interface ModuleOptions {
  instantiateWasm(imports: object, done: (instance: object) => void): object;
}

/** The part of the WebAssembly interface that is used; TypeScript knows it from the browser's library only. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => object;
  readonly RuntimeError: new () => Error;
}

const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyApi };

const require = createRequire(import.meta.url);
const createModule = require('libpg-query/wasm/libpg-query.js') as (
  options: ModuleOptions,
) => Promise<PgQueryModule>;

/** Compiled once, so that a fresh instance costs less than a millisecond. */
const compiled = new WebAssembly.Module(readFileSync(require.resolve('libpg-query/wasm/libpg-query.wasm')));

export interface SyntaxProblem {
  readonly message: string;
  /** 1-based, in characters; 0 where the parser gives none. */
  readonly position: number;
}

export type ParsedText = { readonly tree: unknown } | { readonly error: SyntaxProblem };

/** Offsets in the result of `wasm_parse_query_raw`: three pointers; and in its error: three pointers and two integers. */
const ERROR_OFFSET = 8;
const CURSOR_OFFSET = 16;

/** Above this the instance is replaced before it is used again. */
const MAX_MEMORY_BYTES = 256 * 1024 * 1024;

/** Did the instance that threw this run out of stack or memory? */
export function isExhaustion(error: unknown): boolean {
  return error instanceof RangeError || error instanceof WebAssembly.RuntimeError;
}

/** One instance of the parser. After any exception it must not be used again. */
export class Engine {
  readonly #module: PgQueryModule;

  private constructor(module: PgQueryModule) {
    this.#module = module;
  }

  static async create(): Promise<Engine> {
    const module = await createModule({
      instantiateWasm(imports, done) {
        done(new WebAssembly.Instance(compiled, imports));
        return {};
      },
    });
    return new Engine(module);
  }

  get worn(): boolean {
    return this.#module.HEAPU8.length > MAX_MEMORY_BYTES;
  }

  /** @throws {Error} RangeError or WebAssembly.RuntimeError where the text is too deep: the instance is lost. */
  parse(sql: string): ParsedText {
    const module = this.#module;
    return this.#withText(sql, (query) => {
      const result = module._wasm_parse_query_raw(query);
      if (result === 0) throw new RangeError('the parser ran out of memory');
      const error = module.getValue(result + ERROR_OFFSET, 'i32');
      const parsed =
        error === 0
          ? { tree: JSON.parse(module.UTF8ToString(module.getValue(result, 'i32'))) as unknown }
          : {
              error: {
                message: module.UTF8ToString(module.getValue(error, 'i32')),
                position: module.getValue(error + CURSOR_OFFSET, 'i32'),
              },
            };
      module._wasm_free_parse_result(result);
      return parsed;
    });
  }

  /** The hash of the statement without its literals, 16 hex digits; null where there is none. Throws as `parse` does. */
  fingerprint(sql: string): string | null {
    const module = this.#module;
    return this.#withText(sql, (query) => {
      const result = module._wasm_fingerprint(query);
      if (result === 0) return null;
      const text = module.UTF8ToString(result);
      module._wasm_free_string(result);
      return /^[0-9a-f]{16}$/.test(text) ? text : null;
    });
  }

  #withText<T>(sql: string, use: (query: number) => T): T {
    const bytes = Buffer.byteLength(sql) + 1;
    const query = this.#module._malloc(bytes);
    if (query === 0) throw new RangeError('the parser ran out of memory');
    this.#module.stringToUTF8(sql, query, bytes);
    const value = use(query);
    this.#module._free(query);
    return value;
  }
}
