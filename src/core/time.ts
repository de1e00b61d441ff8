const startedAtMicros = Date.now() * 1000 - Math.round(performance.now() * 1000);
let correction = 0;
let checkedAtMs = 0;
let last = 0;

/**
 * Microseconds since the Unix epoch: the monotonic clock, corrected against the wall clock once a second,
 * and never decreasing within the process (a clock set back must not reorder what was recorded).
 */
export function nowMicros(): number {
  const elapsedMs = performance.now();
  const elapsed = Math.round(elapsedMs * 1000);
  if (elapsedMs - checkedAtMs > 1000) {
    checkedAtMs = elapsedMs;
    const off = Date.now() * 1000 - (startedAtMicros + elapsed);
    if (Math.abs(off - correction) > 2000) correction = off;
  }
  const now = startedAtMicros + elapsed + correction;
  if (now > last) last = now;
  return last;
}

let cachedSecond = -1;
let cachedPrefix = '';

/** Microseconds since the epoch as an RFC 3339 UTC time with six decimals: `2026-11-21T19:30:00.123456Z`. */
export function rfc3339(micros: number): string {
  const second = Math.floor(micros / 1_000_000);
  if (second !== cachedSecond) {
    cachedSecond = second;
    cachedPrefix = new Date(second * 1000).toISOString().slice(0, 19);
  }
  return `${cachedPrefix}.${String(micros - second * 1_000_000).padStart(6, '0')}Z`;
}
