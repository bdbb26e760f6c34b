import { deepEqual, equal, ok } from "node:assert/strict";
import { decodeProtobuf, decodeWatchEvent, encodeProtobuf, parseYaml, typeFacts } from "@k3ts/model";
import { type TestApiServer, testApiServer } from "@k3ts/api/testing";
import { restFace } from "./rest.ts";

const PROTOBUF = "application/vnd.kubernetes.protobuf";
const MAPS = "/api/v1/namespaces/default/configmaps";
const admin = { certificate: { commonName: "admin", organizations: ["system:masters"] } };

Deno.test("an object goes its way by POST, GET, PUT, PATCH and DELETE", async () => {
  await using api = await serve();
  const made = await api.send("POST", MAPS, { metadata: { name: "a" }, data: { x: "1" } });
  equal(made.status, 201);
  const object = await made.json();
  equal((await api.send("PUT", `${MAPS}/a`, { ...object, data: { x: "2" } })).status, 200);
  const patched = await api.send("PATCH", `${MAPS}/a`, { data: { y: "3" } }, "application/merge-patch+json");
  deepEqual((await patched.json()).data, { x: "2", y: "3" });
  equal((await (await api.send("GET", `${MAPS}/a`)).json()).data.x, "2");
  equal((await (await api.send("DELETE", `${MAPS}/a`)).json()).status, "Success");
  const gone = await api.send("GET", `${MAPS}/a`);
  deepEqual([gone.status, (await gone.json()).message], [404, 'configmaps "a" not found']);
});

Deno.test("bodies and answers may be YAML or protobuf", async () => {
  await using api = await serve();
  const yaml = await api.fetch("POST", MAPS, {
    body: "metadata:\n  name: yam\ndata:\n  a: b\n",
    headers: { "content-type": "application/yaml", accept: "application/yaml" },
  });
  ok((await yaml.text()).includes("name: yam"));
  const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "p" }, data: { a: "b" } };
  const made = await api.fetch("POST", MAPS, {
    body: encodeProtobuf(map, typeFacts("", "v1", "ConfigMap")!),
    headers: { "content-type": PROTOBUF, accept: `${PROTOBUF},application/json` },
  });
  equal(made.headers.get("content-type"), PROTOBUF);
  const read = decodeProtobuf<{ metadata: { name: string }; data: object }>(new Uint8Array(await made.arrayBuffer()));
  deepEqual([read.metadata.name, read.data], ["p", { a: "b" }]);
  const list = await api.fetch("GET", MAPS, { headers: { accept: PROTOBUF } });
  const items = decodeProtobuf<{ items: { metadata: { name: string } }[] }>(new Uint8Array(await list.arrayBuffer()));
  deepEqual(items.items.map(({ metadata }) => metadata.name), ["p", "yam"]);
});

Deno.test("a list in YAML says what it says in JSON, however much it is", async () => {
  await using api = await serve();
  const yaml = { headers: { accept: "application/yaml" } };
  const none = await (await api.fetch("GET", "/api/v1/namespaces/none/configmaps", yaml)).text();
  deepEqual((parseYaml(none).value as { items: unknown[] }).items, []);
  for (let index = 0; index < 10; index++) {
    await api.send("POST", MAPS, {
      metadata: { name: `m${index}` },
      data: { lines: "a\n\n  b: 'c'\n- d\n", text: "yes" },
    });
  }
  for (const path of [MAPS, `${MAPS}?limit=3`]) {
    const text = await (await api.fetch("GET", path, yaml)).text();
    deepEqual(parseYaml(text).value, await (await api.send("GET", path)).json());
  }
});

Deno.test("people get Tables, with metadata or whole objects in the rows", async () => {
  await using api = await serve();
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const table = await (await api.fetch("GET", "/api/v1/namespaces", { headers: { accept } })).json();
  deepEqual([table.kind, table.columnDefinitions[0].name, table.rows[0].cells.slice(0, 2)], ["Table", "Name", [
    "default",
    "Active",
  ]]);
  equal(table.rows[0].object.kind, "PartialObjectMetadata");
  const whole = await (await api.fetch("GET", "/api/v1/namespaces?includeObject=Object", { headers: { accept } }))
    .json();
  equal(whole.rows[0].object.kind, "Namespace");
  const none = await (await api.fetch("GET", "/api/v1/namespaces/default", { headers: { accept } })).json();
  equal(none.rows.length, 1);
});

Deno.test("a large list is compressed for those who take that", async () => {
  await using api = await serve();
  for (let index = 0; index < 40; index++) {
    await api.send("POST", MAPS, { metadata: { name: `m${index}` }, data: { x: "y".repeat(8_000) } });
  }
  const response = await api.fetch("GET", MAPS, { headers: { "accept-encoding": "gzip" } });
  equal(response.headers.get("content-encoding"), "gzip");
  const text = await new Response(response.body!.pipeThrough(new DecompressionStream("gzip"))).text();
  equal(JSON.parse(text).items.length, 40);
  const plain = await (await api.fetch("GET", MAPS)).json();
  equal(plain.items.length, 40);
});

Deno.test("a list is read in pages", async () => {
  await using api = await serve();
  const first = await (await api.send("GET", "/api/v1/namespaces?limit=3")).json();
  deepEqual([first.items.length, first.metadata.remainingItemCount], [3, 1]);
  const rest = await (await api.send("GET", `/api/v1/namespaces?limit=3&continue=${first.metadata.continue}`)).json();
  deepEqual([rest.items.length, rest.metadata.continue], [1, undefined]);
});

Deno.test("a watch sends lines of JSON, or frames of protobuf, as things happen", async () => {
  await using api = await serve();
  const lines = await api.fetch("GET", `${MAPS}?watch=true`);
  const frames = await api.fetch("GET", `${MAPS}?watch=true`, { headers: { accept: `${PROTOBUF};stream=watch` } });
  equal(frames.headers.get("content-type"), `${PROTOBUF};stream=watch`);
  const [lineReader, frameReader] = [lines.body!.getReader(), frames.body!.getReader()];
  await api.send("POST", MAPS, { metadata: { name: "a" } });
  const line = JSON.parse(new TextDecoder().decode((await lineReader.read()).value));
  deepEqual([line.type, line.object.metadata.name], ["ADDED", "a"]);
  const frame = (await frameReader.read()).value!;
  equal(new DataView(frame.buffer, frame.byteOffset).getUint32(0), frame.length - 4);
  equal(decodeWatchEvent(frame.subarray(4)).type, "ADDED");
  await lineReader.cancel();
  await frameReader.cancel();
  equal(api.server.registry.cache.watchCount, 0);
});

Deno.test("a streamed list ends with a bookmark that says so, and goes on as a watch", async () => {
  await using api = await serve();
  await api.send("POST", MAPS, { metadata: { name: "a" } });
  const query = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
  const reader = (await api.send("GET", `${MAPS}?${query}`)).body!.getReader();
  const events = new TextDecoder().decode((await reader.read()).value) +
    new TextDecoder().decode((await reader.read()).value);
  const [added, bookmark] = events.trim().split("\n").map((line) => JSON.parse(line));
  deepEqual([added.type, bookmark.type, bookmark.object.kind], ["ADDED", "BOOKMARK", "ConfigMap"]);
  equal(bookmark.object.metadata.annotations["k8s.io/initial-events-end"], "true");
  equal(bookmark.object.metadata.resourceVersion, String(api.server.registry.cache.revision));
  await api.send("POST", MAPS, { metadata: { name: "b" } });
  equal(JSON.parse(new TextDecoder().decode((await reader.read()).value)).object.metadata.name, "b");
  await reader.cancel();
});

Deno.test("a watch for people sends Tables of one row", async () => {
  await using api = await serve();
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
  const response = await api.fetch("GET", "/api/v1/namespaces?watch=true", { headers: { accept } });
  const reader = response.body!.getReader();
  const [first] = new TextDecoder().decode((await reader.read()).value).split("\n");
  const event = JSON.parse(first!);
  deepEqual([event.type, event.object.kind, event.object.rows[0].cells[0]], ["ADDED", "Table", "default"]);
  await reader.cancel();
});

Deno.test("every resource that can be watched has a bookmark in every form", async () => {
  await using api = await serve();
  const query = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
  for (const as of ["Table", "PartialObjectMetadata"]) {
    for (const { facts, apiVersion } of api.server.resources.stored) {
      const root = facts.group === "" ? "api" : "apis";
      const accept = `application/json;as=${as};v=v1;g=meta.k8s.io`;
      const path = `/${root}/${apiVersion}/${facts.resource}?${query}&fieldSelector=metadata.name%3Dno-such-object`;
      const reader = (await api.fetch("GET", path, { headers: { accept } })).body!.getReader();
      const event = JSON.parse(new TextDecoder().decode((await reader.read()).value));
      deepEqual([event.type, event.object.kind], ["BOOKMARK", as], path);
      await reader.cancel();
    }
  }
});

Deno.test("a watch from the past is told 410 by an event", async () => {
  await using api = await serve({ registry: { historyLimits: { changesMax: 4, bytesMax: 1e9, ageMsMax: 1e9 } } });
  for (let index = 0; index < 12; index++) await api.send("POST", MAPS, { metadata: { name: `m${index}` } });
  const event = JSON.parse(await (await api.send("GET", `${MAPS}?watch=1&resourceVersion=1`)).text());
  deepEqual([event.type, event.object.code, event.object.reason], ["ERROR", 410, "Expired"]);
});

Deno.test("who is nobody may see the version, and nothing else", async () => {
  await using server = await testApiServer();
  const face = restFace(server, { credentials: () => ({}) });
  equal((await face(new Request("http://api/version"))).status, 200);
  equal((await face(new Request("http://api/healthz"))).status, 200);
  const refused = await face(new Request("http://api/api/v1/namespaces"));
  deepEqual([refused.status, (await refused.json()).reason], [403, "Forbidden"]);
  const unknown = restFace(server, { credentials: () => ({ authorization: "Bearer x" }) });
  equal((await unknown(new Request("http://api/version"))).status, 401);
});

Deno.test("wrong requests are refused as Kubernetes does", async () => {
  await using api = await serve();
  const cases: [string, string, RequestInit, number][] = [
    ["GET", "/api/v1/nothings", {}, 404],
    ["GET", "/apis/nowhere/v1/things", {}, 404],
    ["POST", MAPS, { body: "{", headers: { "content-type": "application/json" } }, 400],
    ["POST", MAPS, { body: "x", headers: { "content-type": "text/plain" } }, 415],
    ["GET", MAPS, { headers: { accept: "text/html" } }, 406],
    ["PUT", MAPS, { body: "{}" }, 405],
    ["GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {}, 405],
    ["DELETE", "/api/v1/namespaces", {}, 405],
    ["GET", "/api/v1/namespaces/default/pods/p/binding", {}, 405],
    ["GET", `${MAPS}?labelSelector=a%3D%3D%3Db`, {}, 400],
    ["GET", `${MAPS}?fieldSelector=data%3Dx`, {}, 400],
    ["GET", `${MAPS}?resourceVersion=x`, {}, 400],
    ["GET", `${MAPS}?continue=x`, {}, 400],
    ["POST", `${MAPS}?dryRun=Some`, { body: "{}" }, 422],
    ["POST", MAPS, { body: new Uint8Array(4 * 1024 * 1024) }, 413],
  ];
  for (const [method, path, init, status] of cases) {
    const response = await api.fetch(method, path, init);
    equal(response.status, status, `${method} ${path}`);
    equal((await response.json()).kind, "Status", `${method} ${path}`);
  }
});

Deno.test("a resource version from the future is waited for, and then refused", async () => {
  await using api = await serve();
  const waiting = api.send("GET", `${MAPS}?resourceVersion=1000000`);
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    api.server.clock.advance(1_000);
  }
  const response = await waiting;
  const status = await response.json();
  deepEqual([response.status, status.reason, response.headers.get("retry-after")], [504, "Timeout", "1"]);
  ok(status.message.includes("Too large resource version"));
});

Deno.test("discovery comes whole, or piece by piece, with the same in it", async () => {
  await using api = await serve();
  const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
  const whole = await api.fetch("GET", "/apis", { headers: { accept } });
  ok(whole.headers.get("content-type")?.includes("as=APIGroupDiscoveryList"));
  const apps = (await whole.json()).items.find((group: { metadata: { name: string } }) =>
    group.metadata.name === "apps"
  );
  const pieces = await (await api.send("GET", "/apis/apps/v1")).json();
  deepEqual(
    apps.versions[0].resources.map((one: { resource: string }) => one.resource).sort(),
    pieces.resources.map((one: { name: string }) => one.name).filter((name: string) => !name.includes("/")),
  );
  equal((await (await api.send("GET", "/apis")).json()).kind, "APIGroupList");
});

Deno.test("a document that the client has is not sent again", async () => {
  await using api = await serve();
  const first = await api.send("GET", "/openapi/v3/api/v1");
  const etag = first.headers.get("etag")!;
  await first.body?.cancel();
  equal((await api.fetch("GET", "/openapi/v3/api/v1", { headers: { "if-none-match": etag } })).status, 304);
});

Deno.test("a warning is a header", async () => {
  await using api = await serve();
  const response = await api.send("POST", `${MAPS}?fieldValidation=Warn`, { metadata: { name: "a" }, datum: 1 });
  equal(response.headers.get("warning"), '299 - "unknown field \\"datum\\""');
});

Deno.test("a proxy leads every method on, but readers of its bare name to its root first", async () => {
  await using api = await serve();
  await api.send("POST", "/api/v1/nodes", { metadata: { name: "n1" } });
  const proxy = "/api/v1/nodes/n1/proxy";
  for (const method of ["GET", "HEAD"]) {
    const answer = await api.send(method, `${proxy}?a=b`);
    deepEqual([answer.status, answer.headers.get("location")], [301, `${proxy}/?a=b`]);
  }
  for (const method of ["OPTIONS", "POST", "DELETE", "PUT", "PATCH"]) {
    const answer = await api.send(method, `${proxy}?a=b`);
    deepEqual([answer.status, answer.headers.get("k3ts-splice-path")], [200, "/?a=b"], method);
  }
  const upgrade = await api.fetch("GET", proxy, { headers: { upgrade: "websocket" } });
  equal(upgrade.headers.get("k3ts-splice-node"), "n1");
  equal((await api.send("OPTIONS", MAPS)).status, 405);
  equal((await api.send("GET", "/api/v1/nodes/n2/proxy")).status, 404);
});

interface Served extends AsyncDisposable {
  server: TestApiServer;
  fetch(method: string, path: string, init?: RequestInit): Promise<Response>;
  send(method: string, path: string, body?: object, contentType?: string): Promise<Response>;
}

async function serve(options?: Parameters<typeof testApiServer>[0]): Promise<Served> {
  const server = await testApiServer(options);
  const face = restFace(server, { credentials: () => admin });
  const ask: Served["fetch"] = (method, path, init = {}) => face(new Request(`http://api${path}`, { method, ...init }));
  return {
    server,
    fetch: ask,
    send: (method, path, body, contentType = "application/json") =>
      ask(
        method,
        path,
        body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": contentType } },
      ),
    [Symbol.asyncDispose]: () => server.close(),
  };
}
