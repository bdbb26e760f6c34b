import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { collectGarbage } from "../testing/garbage.ts";
import {
  type Existence,
  generateTokenKey,
  ServiceAccountTokens,
  type TokenKeys,
  type TokenOrder,
  TokenRefused,
  userOfToken,
} from "./service_account_tokens.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const ISSUER = "https://issuer";
const order: TokenOrder = {
  namespace: "default",
  serviceAccount: { name: "robot", uid: "u1" },
  expirationSeconds: 600,
};

Deno.test("a token stands for its service account", async () => {
  const tokens = await makeTokens();
  const { token, expiresAt } = await tokens.sign(order);
  equal(expiresAt, NOW + 600_000);
  const claims = await tokens.verify(token);
  const user = userOfToken(claims!, everything);
  equal(user.name, "system:serviceaccount:default:robot");
  deepEqual(user.groups, ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]);
});

Deno.test("tokens can be signed by RSA keys too", async () => {
  const pair = await crypto.subtle.generateKey(
    { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
    true,
    ["sign", "verify"],
  );
  const tokens = new ServiceAccountTokens(ISSUER, { current: { id: "rsa", ...pair } }, () => NOW);
  const { token } = await tokens.sign(order);
  ok(await tokens.verify(token));
  equal((await tokens.keySet()).keys[0]?.kty, "RSA");
});

Deno.test("an expired token is refused, though it was believed before", async () => {
  let now = NOW;
  const tokens = new ServiceAccountTokens(ISSUER, await generateTokenKey("k"), () => now);
  const { token } = await tokens.sign(order);
  ok(await tokens.verify(token));
  now += 600_000;
  await rejects(tokens.verify(token), TokenRefused);
});

Deno.test("what a token says is kept no longer than it is valid, as others come", async () => {
  let now = NOW;
  const tokens = new ServiceAccountTokens(ISSUER, await generateTokenKey("k"), () => now);
  const verify = async (expirationSeconds: number) => {
    const { token } = await tokens.sign({ ...order, expirationSeconds });
    return new WeakRef((await tokens.verify(token))!);
  };
  const long = await verify(86_400);
  const short: WeakRef<object>[] = [];
  for (let index = 0; index < 10; index++) short.push(await verify(600));
  now += 600_000;
  for (let index = 0; index < 11; index++) await verify(86_400);
  await collectGarbage();
  ok(long.deref() !== undefined);
  deepEqual(short.filter((claims) => claims.deref() !== undefined), []);
});

Deno.test("what is no token of ours is nobody's, whatever its parts hold", async () => {
  const tokens = await makeTokens();
  const part = (value: unknown) => btoa(JSON.stringify(value)).replaceAll("=", "");
  const ours = part({ iss: ISSUER });
  for (const odd of [null, 1, "x", [], [null]]) {
    equal(await tokens.verify(`${part(odd)}.${ours}.x`).catch((error) => ok(error instanceof TokenRefused)), undefined);
    equal(await tokens.verify(`${part({ alg: "ES256" })}.${part(odd)}.x`), undefined);
  }
  for (const text of ["", ".", "..", "...", "a.b.c", "é.é.é", ".".repeat(100_000)]) {
    equal(await tokens.verify(text), undefined);
  }
});

Deno.test("a token that was tampered with is refused", async () => {
  const tokens = await makeTokens();
  const [head, body, signature] = (await tokens.sign(order)).token.split(".") as [string, string, string];
  const claims = JSON.parse(atob(body));
  const forged = btoa(JSON.stringify({ ...claims, sub: "system:serviceaccount:kube-system:x" })).replaceAll("=", "");
  await rejects(tokens.verify(`${head}.${forged}.${signature}`), TokenRefused);
  const none = btoa(JSON.stringify({ alg: "none", kid: "k" })).replaceAll("=", "");
  await rejects(tokens.verify(`${none}.${body}.`), TokenRefused);
});

Deno.test("a token for somebody else is refused, one of another issuer is not ours to judge", async () => {
  const tokens = await makeTokens();
  const { token } = await tokens.sign({ ...order, audiences: ["vault"] });
  await rejects(tokens.verify(token), TokenRefused);
  ok(await tokens.verify(token, ["vault"]));
  const others = new ServiceAccountTokens("https://other", await generateTokenKey("k"), () => NOW);
  equal(await tokens.verify((await others.sign(order)).token), undefined);
  equal(await tokens.verify("no token at all"), undefined);
});

Deno.test("keys from before a rotation are believed, unknown ones are not", async () => {
  const before = await generateTokenKey("old");
  const after = await generateTokenKey("new");
  const { token } = await new ServiceAccountTokens(ISSUER, before, () => NOW).sign(order);
  const both: TokenKeys = { ...after, others: [before.current] };
  ok(await new ServiceAccountTokens(ISSUER, both, () => NOW).verify(token));
  await rejects(new ServiceAccountTokens(ISSUER, after, () => NOW).verify(token), TokenRefused);
});

Deno.test("a token ends with its account, with an account that was made anew, and with the pod it is bound to", async () => {
  const tokens = await makeTokens();
  const { token } = await tokens.sign({ ...order, boundTo: { kind: "Pod", name: "p", uid: "p1" } });
  const claims = (await tokens.verify(token))!;
  const having = (uids: Record<string, string>): Existence => ({
    uidOf: (resource) => uids[resource],
    tokenIn: () => undefined,
  });
  equal(
    userOfToken(claims, having({ serviceaccounts: "u1", pods: "p1" })).extra?.["authentication.kubernetes.io/pod-name"]
      ?.[0],
    "p",
  );
  throws(() => userOfToken(claims, having({ pods: "p1" })), TokenRefused);
  throws(() => userOfToken(claims, having({ serviceaccounts: "u2", pods: "p1" })), TokenRefused);
  throws(() => userOfToken(claims, having({ serviceaccounts: "u1" })), TokenRefused);
});

const everything: Existence = { uidOf: () => "u1", tokenIn: () => undefined };

async function makeTokens() {
  return new ServiceAccountTokens(ISSUER, await generateTokenKey("k"), () => NOW);
}
