/** Numbers and durations as people type them. */
import { Problem } from "./problem.ts";

/** @param option named in the error */
export function parseWholeNumber(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Problem(`${option} must be a whole number: it is "${text}".`);
  return Number(text);
}

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** `90s`, `30m`, `24h`, `7d`, `1h30m`. @returns seconds */
export function parseDuration(text: string): number {
  if (!/^(\d+[smhd])+$/.test(text)) {
    throw new Problem(`A duration must be numbers with s, m, h or d behind them, such as 24h: it is "${text}".`);
  }
  const parts = [...text.matchAll(/(\d+)([smhd])/g)];
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * SECONDS[unit!]!, 0);
}
