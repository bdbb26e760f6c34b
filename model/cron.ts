/** Schedules as crontab(5) has them: five fields, `@daily` and the like, `@every 1h30m` (batch/v1 CronJobSpec.schedule). */

/** When something is due. Times are ms since the epoch. */
export interface Schedule {
  /** The first time after this one; undefined where there is none within five years. */
  next(after: number): number | undefined;
}

/** Why a text is no schedule, in the words of Kubernetes's parser. */
export class ScheduleError extends Error {
  override name = "ScheduleError";
}

interface Bounds {
  min: number;
  max: number;
  names?: readonly string[];
}

const MINUTES: Bounds = { min: 0, max: 59 };
const HOURS: Bounds = { min: 0, max: 23 };
const DAYS: Bounds = { min: 1, max: 31 };
const MONTHS: Bounds = {
  min: 1,
  max: 12,
  names: ["", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAYS: Bounds = { min: 0, max: 6, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

const DESCRIPTORS: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const EVERY = "@every ";
const YEARS_MAX = 5;
const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** @param timeZone IANA name @default "UTC" @throws {ScheduleError} */
export function parseSchedule(text: string, timeZone = "UTC"): Schedule {
  if (text === "") throw new ScheduleError("empty spec string");
  if (text.startsWith(EVERY)) return every(durationMs(text.slice(EVERY.length), text));
  const standard = text.startsWith("@") ? DESCRIPTORS[text] : text;
  if (standard === undefined) throw new ScheduleError(`unrecognized descriptor: ${text}`);
  const fields = standard.split(/\s+/).filter((field) => field !== "");
  if (fields.length !== 5) {
    throw new ScheduleError(`expected exactly 5 fields, found ${fields.length}: [${fields.join(" ")}]`);
  }
  const [minutes, hours, days, months, weekdays] = [MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS].map((bounds, index) =>
    parseField(fields[index]!, bounds)
  ) as [Field, Field, Field, Field, Field];
  const calendar = { minutes, hours, days, months, weekdays };
  return { next: (after) => nextIn(calendar, after, localTime(timeZone)) };
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

interface Field {
  values: ReadonlySet<number>;
  /** It was written as `*`: then the other one of the two fields for days decides alone. */
  isAny: boolean;
}

function parseField(text: string, bounds: Bounds): Field {
  const parts = text.split(",").filter((part) => part !== "").map((part) => parseRange(part, bounds));
  return { values: new Set(parts.flatMap(({ values }) => values)), isAny: parts.some(({ isAny }) => isAny) };
}

function parseRange(text: string, bounds: Bounds): { values: number[]; isAny: boolean } {
  const [range = "", stepText, ...moreSteps] = text.split("/");
  const [low = "", high, ...moreEnds] = range.split("-");
  const isAll = low === "*" || low === "?";
  if (!isAll && moreEnds.length > 0) throw new ScheduleError(`too many hyphens: ${text}`);
  const first = isAll ? bounds.min : parseValue(low, bounds);
  const end = isAll ? bounds.max : high === undefined ? first : parseValue(high, bounds);
  if (moreSteps.length > 0) throw new ScheduleError(`too many slashes: ${text}`);
  const step = stepText === undefined ? 1 : parseNumber(stepText);
  // `N/step` means from N on.
  const last = stepText !== undefined && high === undefined ? bounds.max : end;
  if (first < bounds.min) {
    throw new ScheduleError(`beginning of range (${first}) below minimum (${bounds.min}): ${text}`);
  }
  if (last > bounds.max) throw new ScheduleError(`end of range (${last}) above maximum (${bounds.max}): ${text}`);
  if (first > last) throw new ScheduleError(`beginning of range (${first}) beyond end of range (${last}): ${text}`);
  if (step === 0) throw new ScheduleError(`step of range should be a positive number: ${text}`);
  const values: number[] = [];
  for (let value = first; value <= last; value += step) values.push(value);
  return { values, isAny: isAll && step === 1 };
}

function parseValue(text: string, { names }: Bounds): number {
  const named = text === "" ? -1 : names?.indexOf(text.toLowerCase()) ?? -1;
  return named === -1 ? parseNumber(text) : named;
}

function parseNumber(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) {
    const why = `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
    throw new ScheduleError(`failed to parse int from ${text}: ${why}`);
  }
  const number = Number(text);
  if (number < 0) throw new ScheduleError(`negative number (${number}) not allowed: ${text}`);
  return number;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  ms: 1,
  s: SECOND_MS,
  m: MINUTE_MS,
  h: HOUR_MS,
};

/** `1h30m`, as Go writes durations. */
function durationMs(text: string, whole: string): number {
  const parts = [...text.replace(/^\+/, "").matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/gy)];
  const length = parts.reduce((sum, [part]) => sum + part.length, 0);
  if (parts.length === 0 || length !== text.replace(/^\+/, "").length) {
    throw new ScheduleError(`failed to parse duration ${whole}: time: invalid duration ${JSON.stringify(text)}`);
  }
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * UNITS_MS[unit!]!, 0);
}

/** Whole seconds, and never less than one. */
function every(ms: number): Schedule {
  const period = Math.max(SECOND_MS, Math.floor(ms / SECOND_MS) * SECOND_MS);
  return { next: (after) => Math.floor(after / SECOND_MS) * SECOND_MS + period };
}

interface Calendar {
  minutes: Field;
  hours: Field;
  days: Field;
  months: Field;
  weekdays: Field;
}

interface Wall {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  weekday: number;
}

interface LocalTime {
  wallOf(ms: number): Wall;
  /** Of the beginning of a day; months and days beyond their range run over into the next. */
  dayAt(year: number, month: number, day: number): number;
}

/**
 * Goes forward from field to field, the largest first, and begins again where one runs over. Hours go by as they are:
 * one that a clock change leaves out never comes, one that it repeats comes twice.
 */
function nextIn(calendar: Calendar, after: number, { wallOf, dayAt }: LocalTime): number | undefined {
  let at = Math.floor(after / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
  const yearMax = wallOf(at).year + YEARS_MAX;
  for (;;) {
    const { year, month, day, hour, minute, weekday } = wallOf(at);
    if (year > yearMax) return undefined;
    if (!calendar.months.values.has(month)) at = dayAt(year, month + 1, 1);
    else if (!isDay(calendar, day, weekday)) at = dayAt(year, month, day + 1);
    else if (!calendar.hours.values.has(hour)) at += HOUR_MS - minute * MINUTE_MS;
    else if (!calendar.minutes.values.has(minute)) at += MINUTE_MS;
    else return at;
  }
}

/** Where both kinds of days are limited, one of them is enough. */
function isDay({ days, weekdays }: Calendar, day: number, weekday: number): boolean {
  const [isOfMonth, isOfWeek] = [days.values.has(day), weekdays.values.has(weekday)];
  return days.isAny || weekdays.isAny ? isOfMonth && isOfWeek : isOfMonth || isOfWeek;
}

function localTime(timeZone: string): LocalTime {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
  });
  const wallOf = (ms: number): Wall => {
    const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
    const { year, month, day, hour, minute } = parts as unknown as Omit<Wall, "weekday">;
    return { year, month, day, hour, minute, weekday: new Date(Date.UTC(year, month - 1, day)).getUTCDay() };
  };
  return {
    wallOf,
    dayAt(year, month, day) {
      const wanted = Date.UTC(year, month - 1, day);
      let at = wanted;
      // The offset there may be another one than the offset here: the second look settles it.
      for (let look = 0; look < 2; look++) {
        const wall = wallOf(at);
        at += wanted - Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute);
      }
      // Where a clock change leaves midnight out the day begins later.
      return wallOf(at).day === new Date(wanted).getUTCDate() ? at : at + HOUR_MS;
    },
  };
}
