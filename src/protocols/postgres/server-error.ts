import { WireError } from './wire.ts';

/** The server refused it, and said why. */
export class ServerError extends WireError {
  readonly sqlstate: string;

  constructor(message: string, sqlstate: string) {
    super(message);
    this.sqlstate = sqlstate;
  }
}
