/** Watches that the gateway tells of what the server publishes once. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { until } from "../supervisor/supervised.ts";
import { serve, splice } from "./backend.ts";
import { Gateway } from "./gateway.ts";
import { MAPS, Published, type Watching } from "./published.ts";

const MIB = 1024 * 1024;

Deno.test("what is written is published once, and watches of HTTP/1.1 and HTTP/2 hear of it in every form", async () => {
  await using published = await Published.start();
  using http1 = published.client(false);
  using http2 = published.client(true);
  await published.put("before", "x");
  const watches: Watching[] = [];
  for (const client of [http1, http2]) {
    for (const query of ["resourceVersion=0", `resourceVersion=${published.list().revision}`, "labelSelector=a=b"]) {
      watches.push(await published.watch(client, query));
    }
    const accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    watches.push(await published.watch(client, "", { accept }));
  }
  await until("all are told by the gateway", async () => await published.told() === 8);
  await published.put("after", "y");
  const heard = ({ events }: Watching) => events.map(({ type, object }) => `${type} ${object.metadata.name}`).join();
  const both = "ADDED before,ADDED after";
  await until(
    "all have heard",
    () => watches.map(heard).join("; ") === [both, "ADDED after", "", both, both, "ADDED after", "", both].join("; "),
  );
  for (const watch of watches) await watch.leave();
  await until("the server knows that they have gone", () => published.api.registry.cache.watchCount === 0);
  equal(await published.told(), 0);
});

Deno.test("whenever watches begin while much is written, each has heard of all that a list then shows, in order", async () => {
  await using published = await Published.start();
  using http1 = published.client(false);
  using http2 = published.client(true);
  const watches: { watching: Watching; list: ReadonlyMap<string, string> }[] = [];
  const writes = 600;
  const begun: Promise<void>[] = [];
  for (let index = 0; index < writes; index++) {
    const name = `m${index * 7 % 13}`;
    if (index % 5 === 4 && published.list().objects.has(name)) await published.remove(name);
    else await published.put(name, `${index}${"x".repeat(index * 37 % 4000)}`);
    if (index % 12 === 0) {
      const { revision, objects } = published.list();
      begun.push((async () => {
        const client = index % 24 === 0 ? http1 : http2;
        const watching = await published.watch(client, `resourceVersion=${revision}`);
        watches.push({ watching, list: objects });
      })());
    }
    // The others get on, and writes go on while they begin.
    if (index % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await Promise.all(begun);
  await published.put("last", "x");
  const { objects } = published.list();
  await until(
    "all have heard of the last",
    () => watches.every(({ watching }) => watching.events.at(-1)?.object.metadata.name === "last"),
  );
  equal(watches.length, writes / 12);
  for (const { watching, list } of watches) deepEqual(watching.replayed(list), objects);
  equal(await published.told(), watches.length);
  for (const { watching } of watches) await watching.leave();
});

Deno.test("who does not read is ended, and neither writers nor other watches wait for it", async () => {
  await using published = await Published.start();
  using client = published.client(true);
  const { revision, objects } = published.list();
  const query = `watch=true&resourceVersion=${revision}`;
  const { cert, key } = published.gateway.admin;
  using slow = await Deno.connectTls({
    hostname: "localhost",
    port: published.gateway.port,
    caCerts: [published.gateway.authority.cert],
    alpnProtocols: ["http/1.1"],
    cert,
    key,
  });
  await slow.write(new TextEncoder().encode(`GET ${MAPS}?${query} HTTP/1.1\r\nhost: localhost\r\n\r\n`));
  const fast = await published.watch(client, `resourceVersion=${revision}`);
  await until("both are told by the gateway", async () => await published.told() === 2);
  const data = "x".repeat(MIB / 2);
  for (let index = 0; index < 60; index++) {
    await published.put(`m${index % 3}`, `${index}${data}`);
    // Nobody reads whatever comes as fast as this test writes: a client has its share of the time.
    await until("the other one reads", () => fast.events.length >= index - 2);
  }
  await until(
    "the slow one is ended",
    async () => await published.gateway.metric("k3ts_gateway_watches_slow_total") === 1,
  );
  await until("the other one has heard of all", () => fast.events.length === 60);
  deepEqual(fast.replayed(objects), published.list().objects);
  equal(published.api.registry.cache.watchCount, 1);
  // Broken off: its last chunk is not there.
  ok(!(await lastOf(slow)).endsWith("\r\n0\r\n\r\n"));
  await fast.leave();
});

Deno.test("hundreds of watches hear of everything", async () => {
  await using published = await Published.start();
  using stack = new DisposableStack();
  // A connection of HTTP/2 has 250 streams at most.
  const clients = [false, true, true].map((http2) => stack.use(published.client(http2)));
  const { revision, objects } = published.list();
  const watches = await Promise.all(
    Array.from({ length: 500 }, (_, index) => published.watch(clients[index % 3]!, `resourceVersion=${revision}`)),
  );
  await until("all are told by the gateway", async () => await published.told() === 500);
  for (let index = 0; index < 40; index++) await published.put(`m${index % 8}`, `${index}${"x".repeat(1000)}`);
  await until("all have heard", () => watches.every(({ events }) => events.length === 40));
  for (const watching of watches) deepEqual(watching.replayed(objects), published.list().objects);
  await Promise.all(watches.map((watching) => watching.leave()));
});

Deno.test("who reads is not broken off, however much is published to how many at once", async () => {
  await using published = await Published.start();
  using client = published.client(false);
  const names = Array.from({ length: 300 }, (_, index) => `m${index}`);
  for (const name of names) await published.put(name, "x".repeat(4096));
  const { revision } = published.list();
  const watches = await Promise.all(
    Array.from({ length: 400 }, () => published.stream(client, `resourceVersion=${revision}`)),
  );
  await until("all are told by the gateway", async () => await published.told() === watches.length);
  const heard = watches.map((stream) => linesOf(stream, names.length));
  await Promise.all(names.map((name) => published.remove(name)));
  deepEqual((await Promise.all(heard)).filter((lines) => lines !== names.length), []);
  deepEqual([await published.told(), await published.gateway.metric("k3ts_gateway_watches_slow_total")], [400, 0]);
  await Promise.all(watches.map((stream) => stream.cancel()));
});

Deno.test("a client that does not read is ended though little waits for it, and those who read hear of all", async () => {
  await using published = await Published.start();
  using client = published.client(true);
  const { revision } = published.list();
  const silent = await published.stream(client, `resourceVersion=${revision}`);
  const fast = await published.watch(client, `resourceVersion=${revision}`);
  await until("both are told by the gateway", async () => await published.told() === 2);
  const data = "x".repeat(MIB / 4);
  for (let index = 0; index < 12; index++) await published.put("a", `${index}${data}`);
  await until("the other one has heard of all", () => fast.events.length === 12);
  await until("the silent one is ended", async () => await published.told() === 1);
  equal(await published.gateway.metric("k3ts_gateway_watches_slow_total"), 1);
  await silent.cancel().catch(() => {});
  await fast.leave();
});

Deno.test("a bookmark comes in its place, and a watch ends when its time is over", async () => {
  await using published = await Published.start();
  using client = published.client(true);
  const asked = await published.watch(client, "resourceVersion=0&allowWatchBookmarks=true&timeoutSeconds=100");
  const silent = await published.watch(client, "resourceVersion=0");
  await until("both are told by the gateway", async () => await published.told() === 2);
  const { metadata } = await published.put("a", "x");
  // Elsewhere: only the bookmark tells of it.
  await published.api.create({ resource: "namespaces" }, { metadata: { name: "other" } });
  published.api.clock.advance(61_000);
  await until("the bookmark has come", () => asked.events.at(-1)?.type === "BOOKMARK");
  ok(Number(asked.events.at(-1)!.object.metadata.resourceVersion) > Number(metadata.resourceVersion));
  deepEqual(silent.events.map(({ type }) => type), ["ADDED"]);
  await published.put("b", "x");
  published.api.clock.advance(60_000);
  await asked.read;
  deepEqual([asked.outcome, asked.events.map(({ type }) => type)], ["end", ["ADDED", "BOOKMARK", "ADDED"]]);
  equal(silent.outcome, undefined);
  await silent.leave();
});

Deno.test("a gateway that is killed takes its watches along, and the next one tells those that come again", async () => {
  await using published = await Published.start();
  using client = published.client(true);
  const { revision, objects } = published.list();
  const before = await published.watch(client, `resourceVersion=${revision}`);
  await until("it is told by the gateway", async () => await published.told() === 1);
  await published.put("a", "x");
  await until("it has heard", () => before.events.length === 1);
  const { pid } = await published.gateway.supervised.running("gateway");
  Deno.kill(pid, "SIGKILL");
  await before.read;
  equal(before.outcome, "broken");
  await until("the server knows", () => published.api.registry.cache.watchCount === 0);
  await published.put("b", "x");
  using again = published.client(true);
  const last = before.events.at(-1)!.object.metadata.resourceVersion;
  const after = await until("the next one answers", () => published.watch(again, `resourceVersion=${last}`));
  await until("it is told by the gateway", async () => await published.told() === 1);
  await published.put("c", "x");
  await until("it has heard", () => after.events.length === 2);
  deepEqual(after.replayed(before.replayed(objects)), published.list().objects);
  await after.leave();
});

Deno.test("a server that has gone ends the watches, and they resume at the next one without loss", async () => {
  await using published = await Published.start();
  using client = published.client(true);
  const { revision, objects } = published.list();
  const before = await published.watch(client, `resourceVersion=${revision}`);
  await until("it is told by the gateway", async () => await published.told() === 1);
  await published.put("a", "x");
  await published.away();
  await before.read;
  deepEqual([before.outcome, before.events.length, await published.told()], ["end", 1, 0]);
  const last = before.events.at(-1)!.object.metadata.resourceVersion;
  // It waits for the next one, which it may reach before the gateway has connected to publish.
  const waiting = published.watch(client, `resourceVersion=${last}`);
  await published.put("b", "x");
  await published.serve();
  const after = await waiting;
  await published.put("c", "x");
  await until("it is told by the gateway", async () => await published.told() === 1);
  await published.put("d", "x");
  await until("it has heard", () => after.events.length === 3);
  deepEqual(after.replayed(before.replayed(objects)), published.list().objects);
  await after.leave();
});

Deno.test("nobody from outside says what is published to whom", async () => {
  await using published = await Published.start();
  using client = published.client(true);
  const victim = await published.watch(client, "resourceVersion=0");
  await until("it is told by the gateway", async () => await published.told() === 1);
  for (const name of ["k3ts-fanout", "k3ts_fanout"]) {
    const stolen = await published.watch(client, "resourceVersion=0", { [name]: "0000000000000000/1" });
    await until("it is told as itself", async () => await published.told() === 2);
    await published.put("a", name);
    await until("both have heard", () => stolen.events.length > 0 && victim.events.length > 0);
    await stolen.leave();
    await until("only one is left", async () => await published.told() === 1);
  }
  // Whoever may not watch is not told by anybody.
  const { cert, key } = await published.gateway.authority.issue("CN=nobody");
  using nobody = Deno.createHttpClient({ caCerts: [published.gateway.authority.cert], cert, key, http2: true });
  const refused = await fetch(`${published.gateway.url}${MAPS}?watch=true`, { client: nobody });
  equal(refused.status, 403);
  await refused.body?.cancel();
  equal(await published.told(), 1);
  await victim.leave();
});

Deno.test("an agent is not told by which number the gateway knows an answer", async () => {
  await using gateway = await Gateway.start();
  const named: (string | null)[] = [];
  await using _server = serve(gateway.serverSocket, (request) => {
    named.push(request.headers.get("k3ts-fanout"));
    return splice("one", "/logs/default/web/main");
  });
  await using _agent = serve(gateway.agentSocket, (request) => {
    named.push(request.headers.get("k3ts-fanout"));
    return new Response("logs");
  });
  using connection = gateway.connect(gateway.admin);
  const reply = await connection.get("/api/v1/namespaces/default/pods/web/log?watch=true");
  deepEqual([reply.text, named.length, named[1]], ["logs", 2, null]);
  match(named[0]!, /^[0-9a-f]{16}\/1$/);
});

/** How many of so many lines come before the end. */
async function linesOf(stream: ReadableStream<Uint8Array>, lines: number): Promise<number> {
  let count = 0;
  try {
    for await (const piece of stream.values({ preventCancel: true })) {
      for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, at + 1)) count++;
      if (count >= lines) break;
    }
  } catch {
    // Broken off: it counts what has come.
  }
  return count;
}

/** The end of what a connection has to give. */
async function lastOf(connection: Deno.Conn): Promise<string> {
  const piece = new Uint8Array(65_536);
  let last = "";
  for (;;) {
    const count = await connection.read(piece).catch(() => null);
    if (count === null) return last;
    last = (last + new TextDecoder("latin1").decode(piece.subarray(0, count))).slice(-100);
  }
}
