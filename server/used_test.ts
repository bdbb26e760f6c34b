/** Memory of a server that is used: what comes and goes must leave nothing behind. */
import { equal, ok } from "node:assert/strict";
import { collectGarbage, type TestApiServer, testApiServer } from "@k3ts/api/testing";
import { createLog, Metrics } from "@k3ts/client/telemetry";
import { createResourceClient } from "@k3ts/client";
import { type Pod, resources } from "@k3ts/model";
import type { Handler } from "./dispatch.ts";
import { restFace } from "./faces/rest.ts";
import { countRequests } from "./telemetry/requests.ts";

/** Until everything is full that is there to be filled. */
const TURNS_BEFORE = 80;
const TURNS_MEASURED = 40;
/** Of a pod alone: one state of one that stayed would be seen. */
const POD_BYTES = 20_000;
const BYTES_A_TURN_MAX = POD_BYTES / 2;
const SECONDS_A_TURN = 30;

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const PROTOBUF = "application/vnd.kubernetes.protobuf,application/json";
const PODS = "/api/v1/namespaces/default/pods";
const MAPS = "/api/v1/namespaces/default/configmaps";

Deno.test("a server that pods come to and go from holds no more after a while", async () => {
  const server = await testApiServer({
    eventTtlMs: 20_000,
    registry: {
      historyLimits: { changesMax: 64, bytesMax: 1e6, ageMsMax: 60_000 },
      storeHistoryMs: 60_000,
    },
  });
  await server.create({ resource: "serviceaccounts", namespace: "default" }, {
    metadata: { name: "default", namespace: "default" },
  });
  const face = restFace(server, {
    credentials: () => ({ certificate: { commonName: "admin", organizations: ["system:masters"] } }),
  });
  const send = countRequests(face, () => true, new Metrics(), createLog(() => {}, () => 0));
  const following = new AbortController();
  const followed = follow(server, following.signal);
  let number = 0;
  const use = async (turns: number): Promise<number> => {
    for (const until = number + turns; number < until; number++) {
      await turn(send, server, `turn-${number}`);
      server.clock.advance(SECONDS_A_TURN * 1000);
    }
    await collectGarbage();
    const { heapUsed, external } = Deno.memoryUsage();
    return heapUsed + external;
  };
  const before = await use(TURNS_BEFORE);
  const after = await use(TURNS_MEASURED);
  const perTurn = Math.round((after - before) / TURNS_MEASURED);
  ok(perTurn <= BYTES_A_TURN_MAX, `${perTurn} bytes of each turn stay`);
  following.abort();
  await followed;
  await server.close();
});

/** One turn, as kubectl, scheduler, agent and controllers take it together. */
async function turn(send: Handler, server: TestApiServer, name: string): Promise<void> {
  const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await send(
      new Request(`http://server${path}`, {
        method,
        ...(body !== undefined && { body: JSON.stringify(body) }),
        headers: { "content-type": "application/json", ...headers },
      }),
    );
    ok(response.status < 300, `${method} ${path}: ${response.status}`);
    return await response.json();
  };
  await ask("POST", MAPS, { metadata: { name }, data: { number: "1" } });
  await ask("POST", PODS, {
    metadata: { name, annotations: { large: "x".repeat(POD_BYTES) } },
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "c", image: "busybox", command: ["sleep", "9"] }] },
  });
  await ask("POST", `${PODS}/${name}/binding`, { metadata: { name }, target: { kind: "Node", name: "n1" } });
  await ask("POST", "/api/v1/namespaces/default/events", {
    metadata: { name: `${name}.1`, namespace: "default" },
    involvedObject: { kind: "Pod", namespace: "default", name },
    reason: "Scheduled",
    message: `It is on n1: ${name}`,
  });
  // As `kubectl wait` begins: with what there is of one object.
  const waiting = await send(
    new Request(
      `http://server${PODS}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan` +
        `&fieldSelector=metadata.name%3D${name}`,
    ),
  );
  const lines = waiting.body!.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await lines.read();
  ok(value?.includes(name), value);
  for (const phase of ["Pending", "Running"]) {
    await ask("PATCH", `${PODS}/${name}/status`, { status: { phase } }, {
      "content-type": "application/merge-patch+json",
    });
  }
  await lines.cancel();
  const { rows } = await ask("GET", PODS, undefined, { accept: TABLE });
  equal(rows.length, 1);
  const asBytes = await send(new Request(`http://server${PODS}/${name}`, { headers: { accept: PROTOBUF } }));
  ok((await asBytes.arrayBuffer()).byteLength > POD_BYTES);
  const token = await ask("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {
    spec: { expirationSeconds: 600 },
  });
  const user = await server.authenticate({ authorization: `Bearer ${token.status.token}` });
  equal(user.name, "system:serviceaccount:default:default");
  ok(!server.verbs.access.allowed(user, { verb: "get", group: "", resource: "secrets", namespace: name }));
  await ask("DELETE", `${PODS}/${name}`);
  await ask("DELETE", `${MAPS}/${name}`);
}

/** As a controller follows the pods. */
async function follow(server: TestApiServer, signal: AbortSignal): Promise<void> {
  const pods = createResourceClient(server.transport()).of<Pod>(resources.pods);
  while (!signal.aborted) {
    try {
      // Ends after half an hour.
      for await (const _ of pods.watch({ signal })) continue;
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
