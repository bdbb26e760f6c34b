import { deepEqual, ok } from "node:assert/strict";
import { createRouterTransport } from "@connectrpc/connect";
import {
  authenticatedUser,
  createApiServer,
  generateTokenKey,
  MASTERS,
  MemoryStore,
  routeResources,
  serviceAccountOf,
  serviceAccountUser,
} from "@k3ts/api";
import { createResourceClient, waitFor } from "@k3ts/client";
import { createLog } from "@k3ts/client/telemetry";
import { type Namespace, resources } from "@k3ts/model";
import { fileURLToPath } from "node:url";
import { hostPlugins } from "./host.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** As the server starts it: no permission is given. */
const COMMAND = [
  Deno.execPath(),
  "run",
  "--quiet",
  "--no-prompt",
  "--no-remote",
  "--cached-only",
  "--config",
  `${ROOT}deno.json`,
  `${ROOT}plugins/main.ts`,
];

Deno.test("the built-in plugins work in a process without permissions, and again after it was killed", async () => {
  const ending = new AbortController();
  const { signal } = ending;
  await using server = await createApiServer({
    store: new MemoryStore(),
    tokenKeys: await generateTokenKey("test"),
  }, signal);
  const admin = authenticatedUser("admin", [MASTERS]);
  const clients = createResourceClient(createRouterTransport((router) => routeResources(router, server, () => admin)));
  const log: string[] = [];
  const pids: number[] = [];
  const hosting = hostPlugins({
    command: COMMAND,
    routes: (userOf) => (router) => routeResources(router, server, (context) => identityOf(userOf(context))),
    mayActAs: (user) => user.startsWith("system:"),
    serverVersion: "0.0.0",
    caCertificate: "certificate",
    onSpawn: (pid) => pids.push(pid),
    log: createLog((line) => log.push(line), Date.now),
  }, signal);
  try {
    await makeNamespace("before");
    // Without a word before it ends, and while nothing waits for it.
    Deno.kill(pids[0]!, "SIGKILL");
    // The API goes on without it.
    await makeNamespace("after");
    deepEqual(pids.length, 2, log.join("\n"));
    ok(log.some((line) => /level=error msg="The plugins have ended/.test(line)), log.join("\n"));
    deepEqual(log.filter((line) => / level=warn /.test(line)), []);
  } finally {
    ending.abort();
    await hosting;
  }

  /** A namespace, and what controllers owe it. */
  async function makeNamespace(name: string): Promise<void> {
    await clients.of<Namespace>(resources.namespaces).create({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name },
      spec: {},
    });
    const patience = { namespace: name, signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]) };
    await waitFor(clients.of(resources.serviceaccounts), "default", (account) => account !== undefined, patience);
    await waitFor(clients.of(resources.configmaps), "kube-root-ca.crt", (map) => map !== undefined, patience);
  }
});

function identityOf(name: string) {
  const account = serviceAccountOf({ name, groups: [] });
  return account === undefined ? authenticatedUser(name, []) : serviceAccountUser(account.namespace, account.name);
}
