/** A duration in its two largest units: `45 ms`, `12 s`, `2 h 5 min`, `3 d 4 h`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  const seconds = Math.round(milliseconds / 1000);
  const units: readonly (readonly [string, number])[] = [
    ['d', Math.floor(seconds / 86_400)],
    ['h', Math.floor(seconds / 3600) % 24],
    ['min', Math.floor(seconds / 60) % 60],
    ['s', seconds % 60],
  ];
  const first = units.findIndex(([, count]) => count > 0);
  return units
    .slice(first, first + 2)
    .filter(([, count]) => count > 0)
    .map(([unit, count]) => `${count} ${unit}`)
    .join(' ');
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Seconds in a duration such as `90s`, `15m`, `2h`, `7d`, `1h30m`; null where it is none. */
export function durationSeconds(text: string): number | null {
  const parts = text.trim().toLowerCase();
  if (!/^(?:\d{1,9}[smhdw])+$/.test(parts)) return null;
  let seconds = 0;
  for (const [, digits, unit] of parts.matchAll(/(\d+)([smhdw])/g)) {
    seconds += Number(digits) * (UNIT_SECONDS[unit as string] as number);
  }
  return seconds;
}
