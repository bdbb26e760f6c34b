import { equal, match, rejects } from "node:assert/strict";
import { isValid, makeToken, tokenId } from "./tokens.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const CA_HASH = "ab".repeat(32);

Deno.test("a token is valid until it expires, and only with its own secret", async () => {
  const { token, stored } = await makeToken({ caHash: CA_HASH, ttlSeconds: 60, description: "", now: NOW });
  match(token, /^K3TS1\.[0-9a-f]{64}\.[0-9a-f]{8}\.[0-9a-f]{48}$/);
  const presented = token.split(".").slice(2).join(".");
  equal(tokenId(presented), stored.id);
  equal(await isValid(presented, stored, NOW), true);
  equal(await isValid(presented, stored, NOW + 61_000), false);
  equal(await isValid(`${stored.id}.${"0".repeat(48)}`, stored, NOW), false);
});

Deno.test("what is stored does not hold the secret", async () => {
  const { token, stored } = await makeToken({ caHash: CA_HASH, ttlSeconds: 0, description: "a", now: NOW });
  equal(JSON.stringify(stored).includes(token.split(".")[3]!), false);
});

Deno.test("text that cannot be a token has no id", () => {
  for (const text of ["", "abc", "0123abcd.", "../../etc.0", `0123ABCD.${"0".repeat(48)}`]) {
    equal(tokenId(text), undefined);
  }
});

Deno.test("a lifetime without end is refused", async () => {
  await rejects(makeToken({ caHash: CA_HASH, ttlSeconds: 1e12, description: "", now: NOW }), /lifetime must be/);
});
