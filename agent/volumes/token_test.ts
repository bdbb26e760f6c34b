import { deepEqual, equal, rejects } from "node:assert/strict";
import { keepToken } from "./token.ts";

const SECOND_MS = 1000;

/** @param life in seconds */
function tokenOf(iat: number, life: number): string {
  return `h.${btoa(JSON.stringify({ iat, exp: iat + life })).replaceAll("=", "")}.s`;
}

const never = () => Promise.reject(new Error("nobody answers"));

Deno.test("a token is kept until four fifths of its life, or a day", async () => {
  const old = tokenOf(1000, 1000);
  deepEqual(await keepToken(old, never, 1799 * SECOND_MS), { token: old, refreshAt: 1800 * SECOND_MS });
  const long = tokenOf(0, 1_000_000);
  deepEqual(await keepToken(long, never, 0), { token: long, refreshAt: 24 * 3600 * SECOND_MS });
  const next = tokenOf(1800, 1000);
  const exchanged = await keepToken(old, () => Promise.resolve(next), 1800 * SECOND_MS);
  deepEqual(exchanged, { token: next, refreshAt: 2600 * SECOND_MS });
});

Deno.test("while nobody gives another one, the old one is kept as long as it holds, and another is asked for soon", async () => {
  const old = tokenOf(1000, 1000);
  deepEqual(await keepToken(old, never, 1900 * SECOND_MS), { token: old, refreshAt: 1910 * SECOND_MS });
  await rejects(keepToken(old, never, 2000 * SECOND_MS), /nobody answers/);
  await rejects(keepToken(undefined, never, 0), /nobody answers/);
});

Deno.test("what somebody has written in the place of a token is replaced", async () => {
  const next = tokenOf(0, 1000);
  for (const odd of ["", "x", "a.b.c", "a.bnVsbA.c", `h.${btoa("{}")}.s`]) {
    equal((await keepToken(odd, () => Promise.resolve(next), 1)).token, next);
    await rejects(keepToken(odd, never, 1));
  }
});
