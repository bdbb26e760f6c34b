import { equal, notEqual } from "node:assert/strict";
import { parse } from "yaml";
import { ensurePki } from "./pki.ts";

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
