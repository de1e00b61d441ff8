/** Occurrences of late, as pairs of time (microseconds) and leaf, in the order in which they came. */
export type Burst = (readonly [time: number, leaf: number])[];

const MINUTE_MICROS = 60_000_000;

/**
 * Notes occurrences and answers the leaves of all that are within the window, where there are as many as make a burst. Then
 * counting begins anew. Those that lie in the future (the clock was set back) are not counted.
 *
 * @param times how many the leaf stands for
 */
export function takeBurst(
  burst: Burst,
  { time, leaf, times }: { readonly time: number; readonly leaf: number; readonly times: number },
  { count, minutes }: { readonly count: number; readonly minutes: number },
): readonly number[] | null {
  const from = time - minutes * MINUTE_MICROS;
  const kept = burst.filter(([at]) => at >= from && at <= time);
  for (let i = 0; i < Math.min(times, count); i++) kept.push([time, leaf]);
  if (kept.length < count) {
    burst.splice(0, burst.length, ...kept);
    return null;
  }
  burst.length = 0;
  return [...new Set(kept.map(([, each]) => each))].sort((a, b) => a - b);
}
