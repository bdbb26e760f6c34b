/** Points in time as the API writes them: RFC 3339, in whole seconds (Time) or microseconds (MicroTime), always UTC. */

/** `2026-01-01T00:00:00Z` @param ms since the epoch */
export function formatTime(ms: number): string {
  return `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** `2026-01-01T00:00:00.000000Z` @param ms since the epoch; fractions of a ms are kept down to the microsecond */
export function formatMicroTime(ms: number): string {
  const micros = Math.floor(ms * 1000);
  const seconds = Math.floor(micros / 1_000_000);
  const rest = String(micros - seconds * 1_000_000).padStart(6, "0");
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${rest}Z`;
}

const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/** ms since the epoch, with the fraction that the text has. @throws {RangeError} where it is no RFC 3339 time */
export function parseTime(text: string): number {
  const parts = RFC_3339.exec(text);
  const ms = parts === null ? NaN : Date.parse(`${text.slice(0, 19)}${parts[8]}`);
  // Date.parse rolls 30 February over into March; RFC 3339 has no such day.
  const rolled = parts !== null &&
    new Date(Date.UTC(+parts[1]!, +parts[2]! - 1, +parts[3]!)).getUTCDate() !== +parts[3]!;
  if (Number.isNaN(ms) || rolled) {
    throw new RangeError(`Cannot read time as it must be RFC 3339: it is ${JSON.stringify(text)}`);
  }
  return ms + (parts![7] === undefined ? 0 : Number(parts![7]) * 1000);
}

/** A duration as `kubectl get` shows ages: `45s`, `2m3s`, `5h12m`, `3d`, `2y14d`. */
export function formatAge(ms: number): string {
  // Clocks differ: a thing from a moment ahead is new, not an error.
  const seconds = Math.trunc(ms / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 60 * 2) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return withRest(minutes, "m", seconds % 60, "s");
  if (minutes < 60 * 3) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return withRest(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 24 * 8) return withRest(days, "d", hours % 24, "h");
  if (hours < 24 * 365 * 2) return `${days}d`;
  const years = Math.floor(days / 365);
  if (hours < 24 * 365 * 8) return withRest(years, "y", days % 365, "d");
  return `${years}y`;
}

/** The age of something, or `<unknown>`. @param now ms since the epoch */
export function ageOf(timestamp: string | null | undefined, now: number): string {
  return timestamp === undefined || timestamp === null || timestamp === ""
    ? "<unknown>"
    : formatAge(now - parseTime(timestamp));
}

function withRest(count: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 ? `${count}${unit}` : `${count}${unit}${rest}${restUnit}`;
}
