import { deepEqual, equal, notEqual, ok, rejects } from "node:assert/strict";
import { parse } from "yaml";
import { ServiceAccountTokens } from "@k3ts/api";
import { ensurePki, keepCertificates } from "./pki.ts";

Deno.test("keys are made once, readable by root only, and kept", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "k3ts-pki-" });
  try {
    const options = { dataDir, serverNames: ["127.0.0.1"], serverUrl: "https://127.0.0.1:6443", now: Date.now };
    await ensurePki(options);
    const first = await Deno.readTextFile(`${dataDir}/pki/server.crt`);
    for await (const file of Deno.readDir(`${dataDir}/pki`)) {
      equal((await Deno.stat(`${dataDir}/pki/${file.name}`)).mode! & 0o777, 0o600, file.name);
    }
    await ensurePki(options);
    equal(await Deno.readTextFile(`${dataDir}/pki/server.crt`), first);
    const kubeconfig = parse(await Deno.readTextFile(`${dataDir}/admin.kubeconfig`));
    equal(kubeconfig.clusters[0].cluster.server, "https://127.0.0.1:6443");
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("a server certificate is made anew when it lacks a name or is about to end", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "k3ts-pki-" });
  try {
    const options = { dataDir, serverNames: ["127.0.0.1"], serverUrl: "https://127.0.0.1:6443", now: Date.now };
    await ensurePki(options);
    const first = await Deno.readTextFile(`${dataDir}/pki/server.crt`);
    await ensurePki({ ...options, serverNames: ["127.0.0.1", "k3ts.example"] });
    const second = await Deno.readTextFile(`${dataDir}/pki/server.crt`);
    notEqual(second, first);
    await ensurePki({ ...options, serverNames: ["127.0.0.1"], now: () => Date.now() + 350 * 24 * 60 * 60 * 1000 });
    notEqual(await Deno.readTextFile(`${dataDir}/pki/server.crt`), second);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("certificates are renewed while the server runs, each time before they end", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "k3ts-pki-" });
  const ending = new AbortController();
  try {
    const options = {
      dataDir,
      serverNames: ["127.0.0.1"],
      serverUrl: "https://127.0.0.1:6443",
      lifetimeMs: 3_000,
      now: Date.now,
    };
    const { ca } = await ensurePki(options);
    const read = () =>
      Promise.all([`${dataDir}/pki/server.crt`, `${dataDir}/admin.kubeconfig`].map((path) => Deno.readTextFile(path)));
    const first = await read();
    const faults: unknown[] = [];
    const keeping = keepCertificates(ca, options, (error) => faults.push(error), ending.signal);
    const deadline = Date.now() + 30_000;
    while ((await read()).some((text, index) => text === first[index])) {
      ok(Date.now() < deadline, "both are renewed in time");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    ending.abort();
    await keeping;
    deepEqual(faults, []);
    equal(await Deno.readTextFile(`${dataDir}/pki/ca.crt`), ca.pem);
  } finally {
    ending.abort();
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("a CA of which half is lost is never replaced in silence", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "k3ts-pki-" });
  try {
    const options = { dataDir, serverNames: ["127.0.0.1"], serverUrl: "https://127.0.0.1:6443", now: Date.now };
    await ensurePki(options);
    for (const file of ["ca.crt", "ca.key"]) {
      const text = await Deno.readTextFile(`${dataDir}/pki/${file}`);
      await Deno.remove(`${dataDir}/pki/${file}`);
      await rejects(ensurePki(options), /must belong together/);
      await Deno.writeTextFile(`${dataDir}/pki/${file}`, "rubbish");
      await rejects(ensurePki(options), /must belong together/);
      await Deno.writeTextFile(`${dataDir}/pki/${file}`, text);
    }
    await ensurePki(options);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("tokens of the key before a rotation are believed until that key is removed", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "k3ts-pki-" });
  try {
    const options = { dataDir, serverNames: ["127.0.0.1"], serverUrl: "https://127.0.0.1:6443", now: Date.now };
    const tokens = async () => new ServiceAccountTokens("https://i", (await ensurePki(options)).tokenKeys, Date.now);
    const order = { namespace: "a", serviceAccount: { name: "b", uid: "c" }, expirationSeconds: 600 };
    const { token } = await (await tokens()).sign(order);
    await Deno.rename(`${dataDir}/pki/service-account.key`, `${dataDir}/pki/service-account.2025.key`);
    const rotated = await tokens();
    ok(await rotated.verify(token));
    equal((await rotated.keySet()).keys.length, 2);
    ok(!JSON.stringify(await rotated.keySet()).includes('"d"'));
    const { token: next } = await rotated.sign(order);
    notEqual(next.split(".")[0], token.split(".")[0]);
    await Deno.remove(`${dataDir}/pki/service-account.2025.key`);
    const after = await tokens();
    ok(await after.verify(next));
    await rejects(after.verify(token), /unknown key/);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});
