/** What was seen of something, with the day on which it was seen last. The one seen first of late comes first. */
export type Days = Map<string, number>;

/** What is kept of one kind for one principal; of more, those seen longest ago are forgotten, and are new when they come again. */
export const DAYS_MAX = 5000;

const DAY_MICROS = 86_400_000_000;

/** Number of the UTC day, of microseconds since the Unix epoch. */
export const dayOf = (time: number): number => Math.floor(time / DAY_MICROS);

/**
 * Notes that something was seen on a day, and answers whether that is the first time in the window. A day that lies before the
 * one noted (the clock was set back) is no first time, and is noted: a clock that was wrong once must not make known for ever.
 *
 * @param windowDays after so many days without it, it is new again
 */
export function isFirst(seen: Days, key: string, day: number, windowDays: number): boolean {
  const last = seen.get(key);
  if (last === day) return false;
  // Back to the end, where those are that were seen of late.
  seen.delete(key);
  seen.set(key, day);
  return last === undefined || day - last > windowDays;
}

/** Forgets what was seen longest ago where it is too much. Whether anything was forgotten. */
export function forgetOldest(seen: Days): boolean {
  let forgot = false;
  for (const key of seen.keys()) {
    if (seen.size <= DAYS_MAX) break;
    seen.delete(key);
    forgot = true;
  }
  return forgot;
}
