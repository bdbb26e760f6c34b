/** Numbers and durations as people type them. */
import { Problem } from "./problem.ts";

/** @param option named in the error */
export function parseWholeNumber(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Problem(`${option} must be a whole number: it is "${text}".`);
  return Number(text);
}

const SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/** `90s`, `30m`, `24h`, `7d`, `1h30m`. @returns seconds */
export function parseDuration(text: string): number {
  if (!/^(\d+(ms|[smhd]))+$/.test(text)) {
    throw new Problem(`A duration must be numbers with s, m, h or d behind them, such as 24h: it is "${text}".`);
  }
  const parts = [...text.matchAll(/(\d+)(ms|[smhd])/g)];
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * SECONDS[unit!]!, 0);
}

/** A duration, or 0 for none. @param option named in the error @returns seconds */
export function parseTimeout(option: string, text: string): number {
  if (/^0+$/.test(text)) return 0;
  try {
    return parseDuration(text);
  } catch {
    throw new Problem(`${option} must be a duration such as 30s or 5m, or 0: it is "${text}".`);
  }
}
