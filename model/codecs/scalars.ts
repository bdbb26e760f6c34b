/** Scalars that have a form of their own in JSON: times, durations, quantities. */
import { formatQuantity, tryParseQuantity } from "../quantity.ts";

/** Most quantities: canonical already, as no larger suffix fits fewer than four digits. */
const PLAIN_QUANTITY = /^(0|[1-9]\d{0,2}([KMGTPE]i|[mkMGT])?)$/;
const WHOLE_SECONDS_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

/** A quantity in its canonical form (`1000m` is `1`, `0.5Gi` is `512Mi`); undefined when it is none. */
export function checkedQuantity(text: string): string | undefined {
  if (PLAIN_QUANTITY.test(text)) return text;
  const quantity = tryParseQuantity(text);
  return quantity && formatQuantity(quantity);
}

/** RFC 3339 in UTC and whole seconds; undefined when it is no time. */
export function canonicalTime(text: string): string | undefined {
  if (!WHOLE_SECONDS_UTC.test(text)) {
    const parts = timeParts(text);
    return parts && timeText(parts.seconds);
  }
  const instant = Date.parse(text);
  // The thirtieth of February is read as the second of March.
  return !Number.isNaN(instant) && timeText(instant / 1000) === text ? text : undefined;
}

/** RFC 3339 in UTC with six decimals; undefined when it is no time. */
export function canonicalMicroTime(text: string): string | undefined {
  const parts = timeParts(text);
  return parts && microTimeText(parts.seconds, parts.nanos);
}

/** Seconds since the epoch as RFC 3339. */
export function timeText(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}

/** Seconds since the epoch and nanoseconds as RFC 3339 with six decimals. */
export function microTimeText(seconds: number, nanos: number): string {
  const micros = `${Math.floor(nanos / 1000)}`.padStart(6, "0");
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${micros}Z`;
}

/** Seconds since the epoch and nanoseconds of an RFC 3339 time. @throws {TypeError} when it is none */
export function splitTime(text: string): { seconds: number; nanos: number } {
  const parts = timeParts(text);
  if (parts === undefined) throw new TypeError(`Cannot encode a time as it must be RFC 3339: "${text}"`);
  return parts;
}

function timeParts(text: string): { seconds: number; nanos: number } | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [, date, time, fraction = ".", zone] = match as unknown as [string, string, string, string?, string?];
  const local = Date.parse(`${date}T${time}Z`);
  const seconds = Date.parse(`${date}T${time}${zone!.toUpperCase()}`) / 1000;
  if (Number.isNaN(seconds) || timeText(local / 1000).slice(0, 19) !== `${date}T${time}`) return undefined;
  return { seconds, nanos: Number(fraction.slice(1).padEnd(9, "0").slice(0, 9)) };
}

const UNIT_NANOS: Record<string, number> = { ns: 1, us: 1e3, "µs": 1e3, ms: 1e6, s: 1e9, m: 6e10, h: 3.6e12 };

/** Nanoseconds of a duration such as `1h30m`, `1.5s`, `-2ms`; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+|0)$/.exec(text);
  if (match === null) return undefined;
  let nanos = 0;
  for (const [, amount, unit] of match[2]!.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g)) {
    nanos += Number(amount) * UNIT_NANOS[unit!]!;
  }
  return (match[1] === "-" ? -1 : 1) * Math.round(nanos);
}

/** A duration as Go writes it: `1h0m0s`, `1.5s`, `20ms`. */
export function durationText(nanos: number): string {
  if (nanos === 0) return "0s";
  const sign = nanos < 0 ? "-" : "";
  const rest = Math.abs(nanos);
  if (rest < 1e3) return `${sign}${rest}ns`;
  if (rest < 1e6) return `${sign}${rest / 1e3}µs`;
  if (rest < 1e9) return `${sign}${rest / 1e6}ms`;
  const hours = Math.floor(rest / 3.6e12);
  const minutes = Math.floor((rest % 3.6e12) / 6e10);
  const seconds = (rest % 6e10) / 1e9;
  const head = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : "";
  return `${sign}${head}${seconds}s`;
}
