/** What the gateway does beside carrying calls. */
import { equal, match, ok as assert } from "node:assert/strict";
import { alive, until } from "../supervisor/supervised.ts";
import { identityOf, serve, splice, webSocketEcho } from "./backend.ts";
import { startBackend } from "./backend_process.ts";
import { Gateway } from "./gateway.ts";
import { RawConnection, upgradeRequest } from "./raw.ts";

const MIB = 1024 * 1024;

Deno.test("requests wait for a server that is not there yet", async () => {
  await using gateway = await Gateway.start();
  using connection = gateway.connect(gateway.admin);
  const waiting = Array.from({ length: 50 }, () => connection.get("/whoami"));
  await until("they wait", async () => (await gateway.status()).requestsWaiting === 50);
  await using _server = serve(gateway.serverSocket);
  for (const reply of await Promise.all(waiting)) equal(reply.status, 200);
  equal((await gateway.status()).requestsWaiting, 0);
});

Deno.test("a server that is killed under load loses no request that it has not begun", async () => {
  await using gateway = await Gateway.start();
  let server = await startBackend(gateway.serverSocket);
  const abort = new AbortController();
  const outcomes = new Map<number, number>();
  const load = Array.from({ length: 4 }, async () => {
    using connection = gateway.connect(gateway.admin);
    while (!abort.signal.aborted) {
      const { status } = await connection.get("/whoami");
      outcomes.set(status, (outcomes.get(status) ?? 0) + 1);
    }
  });
  const served = () => outcomes.get(200) ?? 0;
  for (let round = 0; round < 3; round++) {
    const before = served();
    await until("the load runs", () => served() > before + 50);
    server.kill("SIGKILL");
    await server.status;
    server = await startBackend(gateway.serverSocket);
  }
  const before = served();
  await until("the load runs again", () => served() > before + 50);
  abort.abort();
  await Promise.all(load);
  server.kill("SIGKILL");
  await server.status;
  // Each of the four clients may have had one in flight at each of the three deaths, and no request is sent twice.
  const failed = [...outcomes].filter(([status]) => status !== 200);
  for (const [status, count] of failed) assert(status === 502 && count <= 12, `${count} answers of ${status}`);
});

Deno.test("an upgraded connection carries bytes both ways", async () => {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket, (request) => webSocketEcho(request, ""));
  using connection = await RawConnection.open(gateway.port, gateway.authority.cert);
  await connection.write(upgradeRequest("/socket"));
  match(await connection.readUntil("\r\n\r\n"), /^HTTP\/1\.1 101 /);
  for (const text of ["one", "two"]) {
    await connection.sendText(text);
    equal(await connection.receiveText(), text);
  }
});

Deno.test("a refused upgrade has its answer", async () => {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket, () => new Response("not for you", { status: 403 }));
  using connection = await RawConnection.open(gateway.port, gateway.authority.cert);
  await connection.write(upgradeRequest("/socket"));
  match(await connection.readUntil("not for you"), /^HTTP\/1\.1 403 [^]*not for you$/);
});

Deno.test("the server can splice an upgrade to the agent", async () => {
  await using gateway = await Gateway.start();
  await using server = serve(gateway.serverSocket, () => splice("one", "/exec/default/web/main?command=sh"));
  await using _agent = serve(
    gateway.agentSocket,
    (request, path) => webSocketEcho(request, `${path} ${request.headers.get("x-own")} `),
  );
  using connection = await RawConnection.open(gateway.port, gateway.authority.cert);
  await connection.write(upgradeRequest("/api/v1/namespaces/default/pods/web/exec?command=sh", { "x-own": "kept" }));
  const head = await connection.readUntil("\r\n\r\n");
  match(head, /^HTTP\/1\.1 101 /);
  assert(!/k3ts-splice/i.test(head));
  await connection.sendText("hello");
  equal(await connection.receiveText(), "/exec/default/web/main?command=sh kept hello");
  equal(server.requests, 1);
});

Deno.test("the server can splice a request for logs, with the identity that was verified", async () => {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket, () => splice("one", "/logs/default/web/main?follow=true"));
  await using _agent = serve(gateway.agentSocket, (request, path) => {
    return new Response(`${path} for ${identityOf(request).commonName}`);
  });
  using connection = gateway.connect(gateway.admin);
  const reply = await connection.get("/api/v1/namespaces/default/pods/web/log?follow=true");
  equal(reply.text, "/logs/default/web/main?follow=true for admin");
  equal(reply.headers["k3ts-splice-node"], undefined);
});

Deno.test("a stream service's call is asked about by its head, and its body goes to the agent alone", async () => {
  await using gateway = await Gateway.start();
  const asked: string[] = [];
  await using _server = serve(gateway.serverSocket, async (request) => {
    asked.push(
      `${request.headers.get("k3ts-ask")} ${request.headers.get("k3ts-pod")} ${(await request.text()).length}`,
    );
    return splice("one", "/k3ts.v1.StreamService/Exec?namespace=default&pod=web");
  });
  await using _agent = serve(
    gateway.agentSocket,
    async (request, path) => new Response(`${path} ${await request.text()}`),
  );
  using connection = gateway.connect(gateway.admin);
  const headers = { "content-type": "application/connect+proto", "k3ts-pod": "default/web" };
  const reply = await connection.post("/k3ts.v1.StreamService/Exec", "the body", headers);
  equal(reply.text, "/k3ts.v1.StreamService/Exec?namespace=default&pod=web the body");
  equal(asked.join(), "splice default/web 0");
});

Deno.test("a stream service's call that the server refuses is answered while its body is on its way", async () => {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket, () => new Response("no", { status: 403 }));
  using connection = gateway.connect(gateway.admin);
  const headers = { "content-type": "application/connect+proto" };
  const reply = await connection.post("/k3ts.v1.StreamService/Exec", new Uint8Array(4 * MIB), headers);
  equal(`${reply.status} ${reply.text}`, "403 no");
});

Deno.test("a body that is too large is refused, declared or not", async () => {
  await using gateway = await Gateway.start();
  await using server = serve(
    gateway.serverSocket,
    async (request) => new Response(`${(await request.bytes()).length}`),
  );
  using connection = gateway.connect(gateway.admin);
  const json = { "content-type": "application/json" };
  equal((await connection.post("/api/v1/pods", new Uint8Array(3 * MIB), json)).text, `${3 * MIB}`);
  const tooLarge = new Uint8Array(3 * MIB + 1);
  for (const headers of [json, { ...json, "content-length": tooLarge.length }]) {
    const reply = await connection.post("/api/v1/pods", tooLarge, headers);
    equal(reply.status, 413);
    equal(JSON.parse(reply.text).reason, "RequestEntityTooLarge");
  }
  assert(server.requests <= 2, "what was declared too large has not been sent");
  const archive = { "content-type": "application/x-tar" };
  equal((await connection.post("/images", new Uint8Array(20 * MIB), archive)).text, `${20 * MIB}`);
});

Deno.test("an early answer ends a large upload instead of waiting for it", async () => {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket, () => new Response("enough", { status: 403 }));
  using connection = gateway.connect(gateway.admin);
  const stream = connection.session.request({
    ":method": "POST",
    ":path": "/images",
    "content-type": "application/x-tar",
  });
  // Never ended: only an answer can end the exchange.
  stream.on("error", () => {});
  stream.write(new Uint8Array(8 * MIB));
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  stream.on("data", (piece: Uint8Array) => text += new TextDecoder().decode(piece));
  stream.on("end", () => resolve(text));
  equal(await promise, "enough");
  await until("the stream is over", () => stream.closed);
  equal((await connection.get("/")).status, 403);
});

Deno.test("the server learns that a client has given up, whatever it asked", async () => {
  await using gateway = await Gateway.start();
  let begun = 0;
  let ended = 0;
  await using _server = serve(gateway.serverSocket, (request) => {
    begun++;
    return new Promise((resolve) => {
      request.signal.addEventListener("abort", () => {
        ended++;
        resolve(new Response("too late"));
      });
    });
  });
  using connection = gateway.connect(gateway.admin);
  const rounds = 20;
  for (let round = 1; round <= rounds; round++) {
    const method = round % 2 === 0 ? "GET" : "POST";
    const stream = connection.session.request({ ":method": method, ":path": "/wait" }, { endStream: method === "GET" });
    stream.on("error", () => {});
    if (method === "POST") stream.end("a body");
    await until("the server has begun", () => begun === round);
    stream.close(8);
  }
  await until("the server has heard of each", () => ended === rounds);
});

Deno.test("headers beyond 64 KiB are refused", async () => {
  await using gateway = await Gateway.start();
  await using server = serve(gateway.serverSocket);
  using raw = await RawConnection.open(gateway.port, gateway.authority.cert);
  await raw.write(`GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(70 * 1024)}\r\n\r\n`).catch(() => {});
  match(await raw.readUntil("\r\n\r\n"), /^HTTP\/1\.1 431 /);
  using connection = gateway.connect(gateway.admin);
  const reply = await connection.get("/", { x: "y".repeat(70 * 1024) }).catch(() => ({ status: 431 }));
  equal(reply.status, 431);
  equal(server.requests, 0);
});

Deno.test("a head that does not arrive in time ends its connection, and a rested one does not", async () => {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket);
  using rested = await RawConnection.open(gateway.port, gateway.authority.cert);
  const ask = async () => {
    await rested.write("GET /whoami HTTP/1.1\r\nhost: a\r\n\r\n");
    match(await rested.readUntil("}"), /^HTTP\/1\.1 200 /);
  };
  await ask();
  using slow = await RawConnection.open(gateway.port, gateway.authority.cert);
  await slow.write("GET / HTTP/1.1\r\nhost: a\r\n");
  const began = performance.now();
  await slow.ended();
  const seconds = (performance.now() - began) / 1000;
  assert(seconds > 8 && seconds < 15, `${seconds} s`);
  await ask();
});

Deno.test("a request that is answered twice over is framed once", async () => {
  await using gateway = await Gateway.start();
  await using server = serve(gateway.serverSocket);
  using raw = await RawConnection.open(gateway.port, gateway.authority.cert);
  const smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
  await raw.write(
    `POST /headers HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  );
  await raw.readUntil("\r\n\r\n");
  assert(server.requests <= 1, "the second request was never one");
});

Deno.test("told to end, the gateway finishes what is in flight, and refuses no connect meanwhile", async () => {
  await using gateway = await Gateway.start();
  const { promise: answer, resolve } = Promise.withResolvers<Response>();
  await using server = serve(gateway.serverSocket, (_request, path) => path === "/slow" ? answer : undefined);
  using connection = gateway.connect(gateway.admin);
  const slow = connection.get("/slow");
  await until("it is in flight", () => server.requests === 1);
  const { pid } = await gateway.supervised.running("gateway");
  Deno.kill(pid, "SIGTERM");
  using later = gateway.connect(gateway.admin);
  const answered = later.get("/whoami");
  resolve(new Response("in time"));
  equal((await slow).text, "in time");
  equal((await answered).status, 200);
  await until("it has ended", () => !alive(pid));
});

Deno.test("the gateway is replaced without a connect that is refused or a request that is lost", async () => {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket);
  await until("it serves", async () => (await gateway.supervised.process("gateway"))?.ready);
  const abort = new AbortController();
  const served = { fresh: 0, kept: 0, http2: 0 };
  const request = "GET /whoami HTTP/1.1\r\nhost: a\r\n\r\n";
  /** Asks on new connections, one after the other. */
  const fresh = async () => {
    while (!abort.signal.aborted) {
      using raw = await RawConnection.open(gateway.port, gateway.authority.cert);
      await raw.write(request);
      match(await raw.readUntil("}"), /^HTTP\/1\.1 200 /);
      served.fresh++;
    }
  };
  /** Asks on one connection until it is told that this was the last time. */
  const kept = async () => {
    while (!abort.signal.aborted) {
      using raw = await RawConnection.open(gateway.port, gateway.authority.cert);
      for (let closes = false; !closes && !abort.signal.aborted;) {
        await raw.write(request);
        const head = await raw.readUntil("\r\n\r\n");
        match(head, /^HTTP\/1\.1 200 /);
        closes = /^connection: close/im.test(head);
        await raw.readUntil("}");
        served.kept++;
      }
    }
  };
  const { cert, key } = gateway.admin;
  using http = Deno.createHttpClient({ caCerts: [gateway.authority.cert], cert, key });
  const http2 = async () => {
    while (!abort.signal.aborted) {
      const response = await fetch(`${gateway.url}/whoami`, { client: http });
      equal((await response.json()).commonName, "admin");
      served.http2++;
    }
  };
  const load = [fresh(), fresh(), kept(), http2(), http2()];
  const failed = Promise.all(load);
  const pids = new Set<number>();
  for (let round = 0; round < 5; round++) {
    const before = { ...served };
    await Promise.race([
      failed,
      until("the load runs", () => Object.keys(served).every((of) => served[of as "kept"] > before[of as "kept"] + 20)),
    ]);
    await gateway.supervised.client.restart({ name: "gateway" });
    pids.add((await gateway.supervised.running("gateway")).pid);
  }
  abort.abort();
  await failed;
  equal(pids.size, 5);
});

Deno.test("the gateway counts what it does", async () => {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket);
  using connection = gateway.connect(gateway.admin);
  for (let round = 0; round < 3; round++) await connection.get("/whoami");
  await connection.get("/nothing");
  {
    using stranger = await Deno.connect({ hostname: "127.0.0.1", port: gateway.port });
    await stranger.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
    await stranger.read(new Uint8Array(100));
  }
  const requests = (code: string) => gateway.metric(`k3ts_gateway_requests_total{protocol="http/2",code="${code}"}`);
  equal(await requests("2xx"), 3);
  equal(await requests("4xx"), 1);
  equal(await gateway.metric('k3ts_gateway_request_duration_seconds_count{protocol="http/2"}'), 4);
  equal(await gateway.metric("k3ts_gateway_connections"), 1);
  equal(await gateway.metric('k3ts_gateway_handshake_failures_total{reason="tls"}'), 1);
  assert((await gateway.metric('k3ts_gateway_bytes_total{direction="sent"}') ?? 0) > 100);
  assert((await gateway.metric("process_resident_memory_bytes") ?? 0) > 1e6);
});

Deno.test("an early answer to a large upload is heard, over HTTP/1.1 and HTTP/2, also by who sends on", async () => {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket, () => new Response("enough", { status: 401 }));
  const { cert, key } = gateway.admin;
  for (const http2 of [true, false]) {
    using client = Deno.createHttpClient({ caCerts: [gateway.authority.cert], cert, key, http2, http1: !http2 });
    for (const [type, status] of [["application/x-tar", 401], ["application/json", 413]] as const) {
      for (let round = 0; round < 10; round++) {
        const body = new Uint8Array(16 * MIB);
        const options = { client, method: "POST", body, headers: { "content-type": type } };
        const response = await fetch(`${gateway.url}/upload`, options);
        equal(response.status, status);
        await response.text();
      }
    }
  }
});
