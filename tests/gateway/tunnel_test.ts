/** Nodes that cannot be dialled: their gateways open tunnels to the server's, and their agents answer through them. */
import { deepEqual, equal, match, ok as assert } from "node:assert/strict";
import { until } from "../supervisor/supervised.ts";
import { identityOf, rawServe, serve, splice, webSocketEcho } from "./backend.ts";
import { Gateway, nodeCredentials, NodeGateway } from "./gateway.ts";
import { createAuthority } from "@k3ts/tools/pki";
import { RawConnection, upgradeRequest } from "./raw.ts";
import { Relay } from "./relay.ts";

/** A server that sends `/to/<node>/<rest>` to the agent of the node as `/<rest>`. */
function serveSplices(gateway: Gateway) {
  return serve(gateway.serverSocket, (_request, path) => {
    const [, node, rest] = /^\/to\/([^/]+)(\/.*)$/.exec(path) ?? [];
    return node === undefined ? undefined : splice(node, rest!);
  });
}

function connected(gateway: Gateway, nodes = 1) {
  return until("the nodes are connected", async () => (await gateway.status()).tunnels === nodes);
}

/** A client with HTTP/2 connections of its own. */
function client(gateway: Gateway): Deno.HttpClient {
  const { cert, key } = gateway.admin;
  return Deno.createHttpClient({ caCerts: [gateway.authority.cert], cert, key });
}

/** What is read from a body, piece by piece. */
async function* texts(response: Response): AsyncGenerator<string> {
  for await (const piece of response.body!) yield new TextDecoder().decode(piece);
}

/** An answer of lines that a test writes when it likes. */
function lines() {
  const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>>();
  const writer = writable.getWriter();
  const write = (line: string) => writer.write(new TextEncoder().encode(line));
  return { response: new Response(readable), write, end: () => writer.close() };
}

Deno.test("logs of another node come through its tunnel as they are written, with the identity that was verified", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  await using node = await NodeGateway.start(gateway, "two");
  const log = lines();
  let asked = "";
  await using _agent = serve(node.agentSocket, (request, path) => {
    asked = `${path} for ${identityOf(request).commonName}`;
    return log.response;
  });
  using http = client(gateway);
  const response = await fetch(`${gateway.url}/to/two/logs/default/web/main?follow=true`, { client: http });
  equal(asked, "/logs/default/web/main?follow=true for admin");
  const received = texts(response);
  for (const line of ["one\n", "two\n", "three\n"]) {
    await log.write(line);
    equal((await received.next()).value, line);
  }
  await log.end();
  equal((await received.next()).done, true);
  equal((await gateway.status()).tunnels, 1);
});

Deno.test("no node, and no own agent, is told what proves who asks", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  await using node = await NodeGateway.start(gateway, "two");
  const told: [string, string[]][] = [];
  const agentOf = (name: string) => (request: Request) => {
    const secrets = ["authorization", "proxy-authorization", "impersonate-user", "impersonate-extra-a"];
    told.push([name, secrets.filter((header) => request.headers.has(header))]);
    return new Response(request.headers.get("cookie"));
  };
  await using _own = serve(gateway.agentSocket, agentOf("own"));
  await using _other = serve(node.agentSocket, agentOf("two"));
  using connection = gateway.connect(gateway.admin);
  const headers = {
    authorization: "Bearer secret",
    "proxy-authorization": "Basic c2VjcmV0",
    "impersonate-user": "somebody",
    "impersonate-extra-a": "b",
    cookie: "of=the-pod",
  };
  for (const name of ["one", "two"]) {
    equal((await connection.get(`/to/${name}/podProxy/x`, headers)).text, "of=the-pod");
  }
  deepEqual(told, [["own", []], ["two", []]]);
});

Deno.test("a follower that leaves is no longer written to, on the other node too", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  await using node = await NodeGateway.start(gateway, "two");
  let left = false;
  await using _agent = serve(node.agentSocket, () => {
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new Uint8Array(1)),
      cancel: () => void (left = true),
    });
    return new Response(body);
  });
  {
    using connection = await RawConnection.open(gateway.port, gateway.authority.cert);
    await connection.write("GET /to/two/logs HTTP/1.1\r\nhost: a\r\n\r\n");
    await connection.readUntil("\r\n\r\n");
    equal(left, false);
  }
  await until("the agent has heard of it", () => left);
});

Deno.test("WebSocket and SPDY pass through a tunnel, bytes both ways", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  await using two = await NodeGateway.start(gateway, "two");
  await using three = await NodeGateway.start(gateway, "three");
  await using _agent = serve(two.agentSocket, (request, path) => webSocketEcho(request, `${path} `));
  await using spdy = rawServe(three.agentSocket, "SPDY/3.1");

  using socket = await RawConnection.open(gateway.port, gateway.authority.cert);
  await socket.write(upgradeRequest("/to/two/exec/default/web/main?command=sh"));
  match(await socket.readUntil("\r\n\r\n"), /^HTTP\/1\.1 101 /);
  for (const text of ["hello", "again"]) {
    await socket.sendText(text);
    equal(await socket.receiveText(), `/exec/default/web/main?command=sh ${text}`);
  }

  using raw = await RawConnection.open(gateway.port, gateway.authority.cert);
  const headers = { upgrade: "SPDY/3.1", "x-stream-protocol-version": "v4.channel.k8s.io" };
  await raw.write(upgradeRequest("/to/three/exec/default/web/main", headers));
  const head = await raw.readUntil("\r\n\r\n");
  match(head, /^HTTP\/1\.1 101 [^]*upgrade: SPDY\/3\.1/i);
  const bytes = new Uint8Array(300_000).map((_, index) => index * 31);
  const written = raw.write(bytes);
  equal((await raw.readBytes(bytes.length)).join() === bytes.join(), true);
  await written;
  match(
    spdy.heads.join(),
    /GET \/exec\/default\/web\/main HTTP\/1\.1[^]*x-stream-protocol-version: v4\.channel\.k8s\.io/i,
  );
});

Deno.test("a thousand streams share a tunnel", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  await using node = await NodeGateway.start(gateway, "two");
  const count = 1000;
  const { promise: all, resolve } = Promise.withResolvers<void>();
  let asked = 0;
  await using _agent = serve(node.agentSocket, (_request, path) => {
    if (++asked === count) resolve();
    // The head at once; the rest only when all have asked.
    const body = new ReadableStream({
      async pull(controller) {
        await all;
        controller.enqueue(new TextEncoder().encode(path));
        controller.close();
      },
    }, { highWaterMark: 0 });
    return new Response(body);
  });
  await connected(gateway);
  // Each has one connection, which the gateway allows 250 streams.
  const clients = Array.from({ length: 5 }, () => client(gateway));
  const answers = Array.from({ length: count }, async (_, index) => {
    const response = await fetch(`${gateway.url}/to/two/${index}`, { client: clients[index % clients.length]! });
    return await response.text();
  });
  for (const [index, answer] of (await Promise.all(answers)).entries()) equal(answer, `/${index}`);
  for (const http of clients) http.close();
});

Deno.test("a stream whose reader stalls fills no memory, and holds no other up", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  await using node = await NodeGateway.start(gateway, "two");
  let sent = 0;
  await using _agent = serve(node.agentSocket, (_request, path) => {
    if (path !== "/endless") return new Response(path);
    const body = new ReadableStream({
      pull(controller) {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
    });
    return new Response(body);
  });
  using stalled = await RawConnection.open(gateway.port, gateway.authority.cert);
  await stalled.write("GET /to/two/endless HTTP/1.1\r\nhost: a\r\n\r\n");
  await stalled.readUntil("\r\n\r\n");
  await until("it has come to rest", async () => {
    const before = sent;
    await new Promise((resolve) => setTimeout(resolve, 300));
    return sent === before && sent > 0;
  });
  assert(sent < 16 * 1024 * 1024, `${sent} bytes are on their way`);
  using http = client(gateway);
  for (let round = 0; round < 100; round++) {
    equal(await (await fetch(`${gateway.url}/to/two/${round}`, { client: http })).text(), `/${round}`);
  }
});

Deno.test("a tunnel that is cut is opened again, and requests wait for it", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  using relay = new Relay(gateway.port);
  await using node = await NodeGateway.start(gateway, "two", { port: relay.port });
  await using _agent = serve(node.agentSocket, (_request, path) => new Response(path));
  using http = client(gateway);
  for (let round = 0; round < 5; round++) {
    equal(await (await fetch(`${gateway.url}/to/two/${round}`, { client: http })).text(), `/${round}`);
    relay.cut();
  }
  equal(await (await fetch(`${gateway.url}/to/two/last`, { client: http })).text(), "/last");
});

Deno.test("a peer that vanished without a word is found by both sides", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  using relay = new Relay(gateway.port);
  await using node = await NodeGateway.start(gateway, "two", { port: relay.port });
  await using _agent = serve(node.agentSocket, (_request, path) => new Response(path));
  await connected(gateway);
  relay.freeze();
  await until("the server's side has given it up", async () => (await gateway.status()).tunnels === 0);
  await until("the node's side tries again", () => relay.taken > 1);
  relay.thaw();
  using http = client(gateway);
  equal(await (await fetch(`${gateway.url}/to/two/x`, { client: http })).text(), "/x");
});

Deno.test("a node that is not connected is waited for, and then named", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  using connection = gateway.connect(gateway.admin);
  const waiting = connection.get("/to/absent/logs");
  await until("it waits", async () => (await gateway.status()).requestsWaiting === 1);
  const reply = await waiting;
  equal(reply.status, 502); // clients would ask again by themselves after a 503
  match(JSON.parse(reply.text).message, /node "absent" must be reachable by its tunnel: it has not been connected/);
});

Deno.test("an agent that is away is waited for on its node, and then named", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  await using node = await NodeGateway.start(gateway, "two");
  using connection = gateway.connect(gateway.admin);
  const early = connection.get("/to/two/early");
  await until("it has reached the node", async () => (await node.status()).requestsWaiting === 1);
  {
    await using _agent = serve(node.agentSocket, (_request, path) => new Response(path));
    equal((await early).text, "/early");
  }
  const reply = await connection.get("/to/two/late");
  equal(reply.status, 502); // clients would ask again by themselves after a 503
  match(JSON.parse(reply.text).message, /node "two" .*agent\.sock must answer: it has been away/);
});

Deno.test("only a node's certificate opens a tunnel, and only to its own name", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  await using node = await NodeGateway.start(gateway, "two");
  await using _agent = serve(node.agentSocket, () => new Response("the real one"));
  await connected(gateway);
  const stranger = await createAuthority("k3ts");
  const pretenders = [
    await nodeCredentials(stranger, "two"),
    await gateway.authority.issue("CN=system:node:two, O=system:masters"),
    await gateway.authority.issue("CN=two, O=system:nodes"),
    await gateway.authority.issue("CN=system:node:two, O=system:nodes", { expired: true }),
    await gateway.authority.issue("CN=system:node:two, O=system:nodes", { serving: true }),
  ];
  for (const credentials of pretenders) {
    await using pretender = await NodeGateway.start(gateway, "two", { credentials });
    await using _false = serve(pretender.agentSocket, () => new Response("a pretender"));
    await until("it was refused", async () => /Cannot open a tunnel/.test(await pretender.log()));
    assert(!/holds a tunnel/.test(await pretender.log()));
    using connection = gateway.connect(gateway.admin);
    equal((await connection.get("/to/two/x")).text, "the real one");
  }
  // A node of the cluster is itself, and nobody else.
  await using three = await NodeGateway.start(gateway, "three");
  await using _other = serve(three.agentSocket, () => new Response("another"));
  await connected(gateway, 2);
  using connection = gateway.connect(gateway.admin);
  equal((await connection.get("/to/two/x")).text, "the real one");
});

Deno.test("a node opens no tunnel to a server that its authority has not signed", async () => {
  await using gateway = await Gateway.start();
  await using node = await NodeGateway.start(gateway, "two");
  await connected(gateway);
  const stranger = await createAuthority("k3ts");
  await node.writeCertificate(stranger, await nodeCredentials(gateway.authority, "two"));
  await until("it says so", async () => /Cannot open a tunnel .* certificates of the cluster/.test(await node.log()));
});

Deno.test("the newest tunnel of a name is used, and streams of the one before stay whole", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  await using first = await NodeGateway.start(gateway, "two");
  const log = lines();
  await using _one = serve(
    first.agentSocket,
    (_request, path) => path === "/log" ? log.response : new Response("first"),
  );
  using http = client(gateway);
  const following = texts(await fetch(`${gateway.url}/to/two/log`, { client: http }));
  await log.write("before\n");
  equal((await following.next()).value, "before\n");

  await using second = await NodeGateway.start(gateway, "two");
  await using _two = serve(second.agentSocket, () => new Response("second"));
  using connection = gateway.connect(gateway.admin);
  await until("the second answers", async () => (await connection.get("/to/two/x")).text === "second");
  await log.write("after\n");
  equal((await following.next()).value, "after\n");
  await log.end();
  equal((await following.next()).done, true);
});

Deno.test("a renewed certificate gets a tunnel of its own, and open streams stay whole", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  await using node = await NodeGateway.start(gateway, "two");
  const log = lines();
  await using _agent = serve(node.agentSocket, (_request, path) => path === "/log" ? log.response : new Response(path));
  using http = client(gateway);
  const following = texts(await fetch(`${gateway.url}/to/two/log`, { client: http }));
  await log.write("before\n");
  equal((await following.next()).value, "before\n");
  await node.writeCertificate(gateway.authority, await nodeCredentials(gateway.authority, "two"));
  await node.reload();
  await until("there is another tunnel", async () => /holds a tunnel.* tunnel=2/.test(await node.log()));
  equal(await (await fetch(`${gateway.url}/to/two/x`, { client: http })).text(), "/x");
  await log.write("after\n");
  equal((await following.next()).value, "after\n");
  await log.end();
});

Deno.test("nodes find the server's gateway again, whether it was told to end or killed", async () => {
  await using gateway = await Gateway.start();
  await using _server = serveSplices(gateway);
  await using node = await NodeGateway.start(gateway, "two");
  await using _agent = serve(node.agentSocket, (_request, path) => new Response(path));
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    await connected(gateway);
    const { pid } = await gateway.supervised.running("gateway");
    Deno.kill(pid, signal);
    await gateway.supervised.running("gateway", pid);
    using connection = gateway.connect(gateway.admin);
    equal((await connection.get(`/to/two/${signal}`)).text, `/${signal}`);
  }
});
