import { DAYS, type Hours, minutesOf } from './conditions.ts';

const DAY_MINUTES = 1440;

/** One span of hours, by the clock of its time zone. */
export class Clock {
  readonly #days: ReadonlySet<number>;
  readonly #from: number;
  readonly #to: number;
  readonly #format: Intl.DateTimeFormat;

  constructor({ days, from, to, timeZone }: Hours) {
    this.#days = new Set(days.map((day) => DAYS.indexOf(day)));
    this.#from = minutesOf(from) ?? 0;
    this.#to = minutesOf(to) ?? 0;
    const parts = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    this.#format = new Intl.DateTimeFormat('en-GB', { timeZone, ...parts });
  }

  includes(nowMs: number): boolean {
    const parts = new Map(this.#format.formatToParts(nowMs).map(({ type, value }) => [type, value]));
    const day = DAYS.indexOf((parts.get('weekday') ?? '').toLowerCase() as (typeof DAYS)[number]);
    const minute = Number(parts.get('hour')) * 60 + Number(parts.get('minute'));
    if (day === -1 || Number.isNaN(minute)) return false;
    const yesterday = (day + DAYS.length - 1) % DAYS.length;
    const end = this.#to > this.#from ? this.#to : this.#to + DAY_MINUTES;
    return (
      (this.#days.has(day) && minute >= this.#from && minute < end) ||
      (this.#days.has(yesterday) && minute + DAY_MINUTES >= this.#from && minute + DAY_MINUTES < end)
    );
  }
}
