import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { isTimeZone, parseSchedule } from "./cron.ts";

function times(schedule: string, after: string, count: number, timeZone?: string): string[] {
  const parsed = parseSchedule(schedule, timeZone);
  const found: string[] = [];
  for (let at = parsed.next(Date.parse(after)); at !== undefined && found.length < count; at = parsed.next(at)) {
    found.push(new Date(at).toISOString().slice(0, 16));
  }
  return found;
}

Deno.test("fields are lists, ranges, steps and names", () => {
  deepEqual(times("*/15 * * * *", "2026-01-01T00:00:00Z", 3), [
    "2026-01-01T00:15",
    "2026-01-01T00:30",
    "2026-01-01T00:45",
  ]);
  deepEqual(times("0 6-16/4 * * mon-fri", "2026-01-02T15:00:00Z", 2), ["2026-01-05T06:00", "2026-01-05T10:00"]);
  deepEqual(times("5,10/20 0 1 feb *", "2026-01-01T00:00:00Z", 3), [
    "2026-02-01T00:05",
    "2026-02-01T00:10",
    "2026-02-01T00:30",
  ]);
});

Deno.test("where days of the month and of the week are both given, either is enough", () => {
  deepEqual(times("0 0 13 * fri", "2026-02-10T00:00:00Z", 3), [
    "2026-02-13T00:00",
    "2026-02-20T00:00",
    "2026-02-27T00:00",
  ]);
  deepEqual(times("0 0 13 * *", "2026-02-10T00:00:00Z", 2), ["2026-02-13T00:00", "2026-03-13T00:00"]);
});

Deno.test("names stand for schedules, and periods count from where they begin", () => {
  deepEqual(times("@monthly", "2026-01-31T12:00:00Z", 2), ["2026-02-01T00:00", "2026-03-01T00:00"]);
  deepEqual(times("@every 1h30m", "2026-01-01T00:10:00Z", 2), ["2026-01-01T01:40", "2026-01-01T03:10"]);
});

Deno.test("29 February comes every four years, 31 February never", () => {
  deepEqual(times("0 0 29 2 *", "2026-01-01T00:00:00Z", 1), ["2028-02-29T00:00"]);
  deepEqual(times("0 0 31 2 *", "2026-01-01T00:00:00Z", 1), []);
});

Deno.test("a schedule follows the clock of its place, whatever that does twice a year", () => {
  const berlin = "Europe/Berlin";
  deepEqual(times("0 9 * * *", "2026-03-28T00:00:00Z", 2, berlin), ["2026-03-28T08:00", "2026-03-29T07:00"]);
  deepEqual(times("30 2 * * *", "2026-03-28T12:00:00Z", 1, berlin), ["2026-03-30T00:30"]);
  deepEqual(times("30 2 * * *", "2026-10-24T12:00:00Z", 2, berlin), ["2026-10-25T00:30", "2026-10-25T01:30"]);
  deepEqual(times("0 0 * * *", "2026-06-01T00:00:00Z", 1, "Asia/Kathmandu"), ["2026-06-01T18:15"]);
  deepEqual(["Europe/Berlin", "Mars/Olympus"].map(isTimeZone), [true, false]);
});

Deno.test("what is no schedule is refused with the reason", () => {
  const refused: [string, string][] = [
    ["* * * *", "expected exactly 5 fields, found 4: [* * * *]"],
    ["60 * * * *", "end of range (60) above maximum (59): 60"],
    ["* * 0 * *", "beginning of range (0) below minimum (1): 0"],
    ["5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"],
    ["*/0 * * * *", "step of range should be a positive number: */0"],
    ["a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'],
    ["@never", "unrecognized descriptor: @never"],
    ["@every x", 'failed to parse duration @every x: time: invalid duration "x"'],
  ];
  for (const [schedule, message] of refused) throws(() => parseSchedule(schedule), { message });
});

Deno.test("every time that is found is one that the schedule names, in whatever place", () => {
  const field = (max: number) => fc.option(fc.nat(max), { nil: undefined });
  const zone = fc.constantFrom("UTC", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo");
  fc.assert(fc.property(field(59), field(23), fc.nat(2_000_000_000), zone, (minute, hour, seconds, timeZone) => {
    const after = seconds * 1000;
    const at = parseSchedule(`${minute ?? "*"} ${hour ?? "*"} * * *`, timeZone).next(after);
    ok(at !== undefined && at > after);
    const clock = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit" }).format(at);
    const [h, m] = clock.split(":").map(Number);
    equal(m, minute ?? m);
    equal(h, hour ?? h);
  }));
});
