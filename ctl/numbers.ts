/** Numbers and durations as people type them. */
import { Problem } from "./problem.ts";

/** @param option named in the error */
export function parseWholeNumber(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Problem(`${option} must be a whole number: it is "${text}".`);
  if (!Number.isSafeInteger(Number(text))) {
    throw new Problem(`${option} must be at most ${Number.MAX_SAFE_INTEGER}: it is "${text}".`);
  }
  return Number(text);
}

const SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };
/** What a duration of the API holds: nanoseconds in 64 bits, 292 years. */
const SECONDS_MAX = 2 ** 63 / 1e9;

/** `90s`, `30m`, `24h`, `7d`, `1h30m`. @param option named in the error @returns seconds */
export function parseDuration(option: string, text: string): number {
  return duration(option, text, "a duration such as 30s, 5m or 24h");
}

/** A duration, or 0 for none. @param option named in the error @returns seconds */
export function parseTimeout(option: string, text: string): number {
  return /^0+$/.test(text) ? 0 : duration(option, text, "a duration such as 30s or 5m, or 0");
}

function duration(option: string, text: string, what: string): number {
  if (!/^(\d+(ms|[smhd]))+$/.test(text)) throw new Problem(`${option} must be ${what}: it is "${text}".`);
  const parts = [...text.matchAll(/(\d+)(ms|[smhd])/g)];
  const seconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * SECONDS[unit!]!, 0);
  if (seconds < SECONDS_MAX) return seconds;
  throw new Problem(`${option} must be shorter than ${Math.floor(SECONDS_MAX / SECONDS["d"]!)}d: it is "${text}".`);
}
