import { deepEqual, equal, rejects } from "node:assert/strict";
import { foundToken, keepToken } from "./token.ts";

const SECOND_MS = 1000;

/** @param life in seconds */
function tokenOf(iat: number, life: number): string {
  return `h.${btoa(JSON.stringify({ iat, exp: iat + life })).replaceAll("=", "")}.s`;
}

/** Of a process that began with the epoch. */
const at = (seconds: number) => ({ wall: seconds * SECOND_MS, monotonic: seconds * SECOND_MS });
const keep = (text: string | undefined, ask: () => Promise<string>, seconds: number) =>
  keepToken(text === undefined ? undefined : foundToken(text, at(seconds)), ask, at(seconds))
    .then(({ token, refreshAt }) => ({ token, refreshAt }));
const never = () => Promise.reject(new Error("nobody answers"));

Deno.test("a token is kept until four fifths of its life, or a day", async () => {
  const old = tokenOf(1000, 1000);
  deepEqual(await keep(old, never, 1799), { token: old, refreshAt: 1800 * SECOND_MS });
  const long = tokenOf(0, 1_000_000);
  deepEqual(await keep(long, never, 0), { token: long, refreshAt: 24 * 3600 * SECOND_MS });
  const next = tokenOf(1800, 1000);
  const exchanged = await keep(old, () => Promise.resolve(next), 1800);
  deepEqual(exchanged, { token: next, refreshAt: 2600 * SECOND_MS });
});

Deno.test("while nobody gives another one, the old one is kept as long as it holds, and another is asked for soon", async () => {
  const old = tokenOf(1000, 1000);
  deepEqual(await keep(old, never, 1900), { token: old, refreshAt: 1910 * SECOND_MS });
  await rejects(keep(old, never, 2000), /nobody answers/);
  await rejects(keep(undefined, never, 0), /nobody answers/);
});

Deno.test("what somebody has written in the place of a token is replaced", async () => {
  const next = tokenOf(0, 1000);
  for (const odd of ["", "x", "a.b.c", "a.bnVsbA.c", `h.${btoa("{}")}.s`]) {
    equal((await keep(odd, () => Promise.resolve(next), 1)).token, next);
    await rejects(keep(odd, never, 1));
  }
});

Deno.test("a token that is held is exchanged in time however the clock is set, whatever the server's says", async () => {
  for (const ahead of [7200, -7200]) {
    const first = await keepToken(undefined, () => Promise.resolve(tokenOf(1000 + ahead, 1000)), at(1000));
    const later = (seconds: number) => ({ ...at(seconds), wall: (seconds - ahead) * SECOND_MS });
    equal(await keepToken(first, never, later(1799)), first);
    const next = await keepToken(first, () => Promise.resolve(tokenOf(1800 + ahead, 1000)), later(1800));
    equal(next.refreshAt, 2600 * SECOND_MS);
  }
  const found = foundToken(tokenOf(9000, 1000), at(1000));
  equal(found.refreshAt, 1800 * SECOND_MS);
});
