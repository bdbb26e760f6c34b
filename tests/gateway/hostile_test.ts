/** Clients that mean harm, each beside one that does not and must not feel it. */
import { equal, match, ok as assert } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { until } from "../supervisor/supervised.ts";
import { serve } from "./backend.ts";
import { block, END_HEADERS, END_STREAM, type Fields, frame, Http2, joined, request, TYPES, word } from "./frames.ts";
import { Gateway } from "./gateway.ts";
import { ATTACK, attack, beside } from "./neighbour.ts";
import { RawConnection } from "./raw.ts";

const IDLE_CONNECTIONS = 10_000;
const CANCEL = word(8);
const HEAD = END_STREAM | END_HEADERS;

Deno.test("rapid reset ends the connection that does it", () =>
  beside((gateway) =>
    attack(async () => {
      using client = await Http2.open(gateway.port, gateway.authority.cert);
      const head = request("/whoami");
      for (let id = 1, open = true; open && id < 400_000;) {
        const pieces: Uint8Array[] = [];
        for (let each = 0; each < 500; each++, id += 2) {
          pieces.push(frame(TYPES.headers, HEAD, id, head), frame(TYPES.reset, 0, id, CANCEL));
        }
        open = await client.flood(joined(pieces));
      }
      await client.closed;
      equal(client.goaway, 11, "ENHANCE_YOUR_CALM");
    }), ATTACK));

Deno.test("GOAWAY with open streams, by the thousand, harms nobody", () =>
  beside(async (gateway) => {
    for (let round = 0; round < 100; round++) {
      using client = await Http2.open(gateway.port, gateway.authority.cert);
      const streams = Array.from({ length: 50 }, (_, index) => {
        return frame(TYPES.headers, END_HEADERS, 2 * index + 1, request("/whoami", [], "POST"));
      });
      await client.write(...streams, frame(TYPES.goaway, 0, 0, joined([word(0), word(0)])));
    }
    await until("all are gone", async () => (await gateway.status()).connections <= 2);
    await until("nothing is left", async () => (await gateway.status()).requestsInFlight <= 1);
  }));

Deno.test("slow heads end, by HTTP/1.1 and HTTP/2", () =>
  beside(async (gateway) => {
    const slow = await Promise.all(Array.from({ length: 100 }, async () => {
      const connection = await RawConnection.open(gateway.port, gateway.authority.cert);
      await connection.write("GET / HTTP/1.1\r\nhost: a\r\nx: ");
      return connection;
    }));
    using half = await Http2.open(gateway.port, gateway.authority.cert);
    await half.write(frame(TYPES.headers, 0, 1, request("/")));
    using silent = await Http2.open(gateway.port, gateway.authority.cert);
    const drip = setInterval(() => {
      for (const connection of slow) connection.write("y").catch(() => {});
    }, 1000);
    await Promise.all([...slow.map((connection) => connection.ended()), half.closed, silent.closed]);
    clearInterval(drip);
    for (const connection of slow) connection[Symbol.dispose]();
  }));

Deno.test("slow bodies are ended with an answer, and take no place of others", async () => {
  await beside(async (gateway) => {
    const slow = await Promise.all(Array.from({ length: 100 }, async () => {
      const connection = await RawConnection.open(gateway.port, gateway.authority.cert);
      const head =
        "POST /api/v1/pods HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
      await connection.write(head);
      return connection;
    }));
    using http2 = await Http2.open(gateway.port, gateway.authority.cert);
    for (let id = 1; id < 400; id += 2) {
      const head = request("/api/v1/pods", [["content-type", "application/json"]], "POST");
      await http2.write(frame(TYPES.headers, END_HEADERS, id, head), frame(TYPES.data, 0, id, new Uint8Array(1)));
    }
    for (const connection of slow) match(await connection.readUntil("\r\n"), /^HTTP\/1\.1 408 /);
    const streams = Array.from({ length: 200 }, (_, index) => http2.stream(2 * index + 1));
    await until("so are streams", () => streams.every(({ status, ended }) => status === 408 && ended));
    await http2.write(frame(TYPES.headers, HEAD, 401, request("/whoami")));
    await until("their connection goes on", () => http2.stream(401).status === 200);
    for (const connection of slow) connection[Symbol.dispose]();
  });
});

Deno.test("huge headers are answered with 431 over HTTP/2 too", () =>
  beside(async (gateway) => {
    using client = await Http2.open(gateway.port, gateway.authority.cert);
    const value = "y".repeat(16_000);
    const large = request("/whoami", Array.from({ length: 5 }, (_, index) => [`x-${index}`, value] as const));
    await client.write(...inPieces(1, large));
    await until("it is answered", () => client.stream(1).status === 431 && client.stream(1).ended);
    await client.write(frame(TYPES.headers, HEAD, 3, request("/whoami")));
    await until("the connection goes on", () => client.stream(3).status === 200);
    // More than is kept, and read to its end all the same, as the fields' compression is the whole connection's.
    const larger = request("/whoami", Array.from({ length: 9 }, (_, index) => [`x-${index}`, value] as const));
    await client.write(...inPieces(5, larger));
    await until("it is answered", () => client.stream(5).status === 431 && client.stream(5).ended);
    await client.write(frame(TYPES.headers, HEAD, 7, request("/whoami")));
    await until("the connection goes on", () => client.stream(7).status === 200);
    // More than is read: then the connection is of no use, and ends.
    const huge = request("/whoami", Array.from({ length: 50 }, (_, index) => [`x-${index}`, value] as const));
    await client.flood(joined(inPieces(9, huge)));
    await client.closed;
    equal(client.goaway, 11, "ENHANCE_YOUR_CALM");
    equal(client.stream(9).status, undefined);
  }));

Deno.test("a flood of CONTINUATION ends its connection", () =>
  beside((gateway) =>
    attack(async () => {
      using client = await Http2.open(gateway.port, gateway.authority.cert);
      await client.write(frame(TYPES.headers, 0, 1, request("/")));
      const empty = joined(Array.from({ length: 1000 }, () => frame(TYPES.continuation, 0, 1)));
      let open = true;
      for (let round = 0; open && round < 1000; round++) open = await client.flood(empty);
      await client.closed;
      using other = await Http2.open(gateway.port, gateway.authority.cert);
      await other.write(frame(TYPES.headers, 0, 1, request("/")));
      const field = block([["x", "y".repeat(8000)]]);
      open = true;
      for (let round = 0; open && round < 10_000; round++) {
        open = await other.flood(frame(TYPES.continuation, 0, 1, field));
      }
      await other.closed;
    }), ATTACK));

Deno.test("floods of PING and SETTINGS, read and unread, fill no memory", () =>
  beside(async (gateway) => {
    const pings = joined(Array.from({ length: 1000 }, () => frame(TYPES.ping, 0, 0, new Uint8Array(8))));
    const settings = joined(
      Array.from({ length: 1000 }, () => frame(TYPES.settings, 0, 0, new Uint8Array([0, 4, 0, 1, 0, 0]))),
    );
    for (const flood of [pings, settings]) {
      using reader = await Http2.open(gateway.port, gateway.authority.cert);
      for (let round = 0, open = true; open && round < 100; round++) open = await reader.flood(flood);
      using deaf = await Http2.open(gateway.port, gateway.authority.cert, { reads: false });
      await Promise.race([
        (async () => {
          for (let round = 0, open = true; open && round < 1000; round++) open = await deaf.flood(flood);
        })(),
        // It comes to rest when all buffers on the way are full.
        new Promise((resolve) => setTimeout(resolve, 3000)),
      ]);
    }
  }));

Deno.test("clients that never read hold what they asked for, and no more", async () => {
  await using gateway = await Gateway.start();
  let sent = 0;
  await using _server = serve(gateway.serverSocket, (_request, path) => {
    if (path !== "/endless") return undefined;
    const body = new ReadableStream({
      pull(controller) {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
    });
    return new Response(body);
  });
  const deaf = await Promise.all(Array.from({ length: 20 }, async () => {
    const client = await Http2.open(gateway.port, gateway.authority.cert, { reads: false });
    // As much as a stream may have, for all that it will never read.
    await client.write(
      frame(TYPES.settings, 0, 0, joined([new Uint8Array([0, 4]), word(2 ** 31 - 1)])),
      frame(TYPES.window, 0, 0, word(2 ** 31 - 1 - 65_535)),
      ...[1, 3, 5, 7, 9].map((id) => frame(TYPES.headers, HEAD, id, request("/endless"))),
    );
    return client;
  }));
  await until("all have asked", async () => (await gateway.status()).requestsInFlight === 100);
  await until("it has come to rest", async () => {
    const before = sent;
    await new Promise((resolve) => setTimeout(resolve, 500));
    return sent === before;
  });
  assert(sent < 256 * 1024 * 1024, `${sent} bytes are on their way`);
  using client = gateway.connect(gateway.admin);
  equal((await client.get("/whoami")).status, 200);
  for (const each of deaf) each[Symbol.dispose]();
  await until("nothing is left", async () => (await gateway.status()).requestsInFlight === 0);
});

Deno.test("ten thousand idle connections leave room for others", () =>
  beside(async (gateway) => {
    const script = fileURLToPath(new URL("idle_clients.ts", import.meta.url));
    const clients = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", script, `${gateway.port}`, gateway.authority.cert, `${IDLE_CONNECTIONS}`],
      stdout: "piped",
    }).spawn();
    const reader = clients.stdout.getReader();
    equal(new TextDecoder().decode((await reader.read()).value).trim(), `${IDLE_CONNECTIONS}`);
    const { connections } = await gateway.status();
    assert(connections > IDLE_CONNECTIONS, `${connections} connections are open`);
    clients.kill("SIGKILL");
    await clients.status;
    await reader.cancel();
    await until("all are gone", async () => (await gateway.status()).connections <= 2);
    // About 24 KiB each with their TLS.
  }, { growthMiBMax: 320 }));

Deno.test("what could be read in two ways is refused", () =>
  beside(async (gateway) => {
    const host = "host: localhost\r\n";
    const refused = [
      `POST / HTTP/1.1\r\n${host}content-length: 5\r\ncontent-length: 6\r\n\r\nhello`,
      `POST / HTTP/1.1\r\n${host}content-length: 5, 6\r\n\r\nhello`,
      `POST / HTTP/1.1\r\n${host}content-length: +5\r\n\r\nhello`,
      `POST / HTTP/1.1\r\n${host}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
      `POST / HTTP/1.1\r\n${host}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`,
      `GET / HTTP/1.1\r\n${host}x: a\r\n b: c\r\n\r\n`,
      `GET / HTTP/1.1\r\n${host}k3ts-identity : a\r\n\r\n`,
      `GET / HTTP/1.1\r\n${host}x: a\rb\r\n\r\n`,
      `GET / HTTP/1.1\r\n${host}x: a\0b\r\n\r\n`,
      `GET / HTTP/1.1\r\n\r\n`,
      `GET / HTTP/1.1\r\n${host}host: other\r\n\r\n`,
      `GET / HTTP/1.1\r\nhost: a b\r\n\r\n`,
      `GET / HTTP/1.1\r\nhost: user@localhost\r\n\r\n`,
      `GET / HTTP/1.1\r\nhost: a/b\r\n\r\n`,
      `GET https://localhost/ HTTP/1.1\r\n${host}\r\n`,
      `GET http://other/ HTTP/1.1\r\n${host}\r\n`,
      `OPTIONS * HTTP/1.1\r\n${host}\r\n`,
    ];
    for (const text of refused) {
      using connection = await RawConnection.open(gateway.port, gateway.authority.cert);
      await connection.write(text);
      match(await connection.readUntil("\r\n"), /^HTTP\/1\.1 400 /, JSON.stringify(text));
    }
    const send = async (head: Uint8Array) => {
      using client = await Http2.open(gateway.port, gateway.authority.cert);
      const stream = client.stream(1);
      await client.write(frame(TYPES.headers, HEAD, 1, head));
      const isOver = until("it is over", () => stream.ended || stream.reset !== undefined);
      await Promise.race([isOver, client.closed]);
      return stream.status ?? (stream.reset === undefined ? `GOAWAY ${client.goaway}` : `RST_STREAM ${stream.reset}`);
    };
    // What only the gateway can judge has an answer.
    for (const value of ["other", "a b"]) equal(await send(request("/whoami", [["host", value]])), 400, value);
    // What is no request at all is an error of its stream: RFC 9113, section 8.1.1.
    const malformed: Fields[] = [
      [["connection", "close"]],
      [["transfer-encoding", "chunked"]],
      [["te", "gzip"]],
      [[":path", "/other"]],
      [["x", "a"], [":protocol", "websocket"]],
      [["content-length", "5"]],
    ];
    for (const fields of malformed) {
      equal(await send(request("/whoami", fields)), "RST_STREAM 1", JSON.stringify(fields));
    }
    for (const path of ["whoami", "", "/a b", "https://other/whoami"]) {
      equal(await send(request(path)), "RST_STREAM 1", path);
    }
    equal(await send(request("*")), 400);
    // What no field can be ends the connection, as whoever sends it does not speak HTTP/2.
    const impossible: Fields = [["Host", "localhost"], ["x", "a\r\nk3ts-identity: b"], ["x", "a\0b"], ["x y", "a"]];
    for (const field of impossible) equal(await send(request("/whoami", [field])), "GOAWAY 1", JSON.stringify(field));
  }));

Deno.test("a request within a request is never one", () =>
  beside(async (gateway) => {
    const inner = "GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n";
    const outer = [
      // The length says that all of it is body, the encoding that the body ends at once.
      `POST /headers HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${
        5 + inner.length
      }\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      `POST /headers HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n`,
      `POST /headers HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding:\tchunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n`,
    ];
    for (const text of outer) {
      using connection = await RawConnection.open(gateway.port, gateway.authority.cert);
      await connection.write(text + inner);
      const seen = await connection.readUntil("\0");
      assert((seen.match(/HTTP\/1\.1 \d/g) ?? []).length <= 1, seen);
    }
  }));

Deno.test("nobody names himself, in whatever spelling", () =>
  beside(async (gateway) => {
    const names = [
      "k3ts-identity",
      "k3ts-splice-node",
      "k3ts-splice-path",
      "k3ts-ask",
      "x-remote-user",
      "x-remote-group",
    ];
    const spellings = names.flatMap((name) => [
      name,
      name.toUpperCase(),
      name.replaceAll("-", "_"),
      name.replace("-", "_"),
      name.toUpperCase().replaceAll("-", "_"),
    ]);
    using raw = await RawConnection.open(gateway.port, gateway.authority.cert);
    const lines = spellings.map((name) => `${name}: CAEaBWFkbWlu\r\n`).join("");
    await raw.write(`GET /headers HTTP/1.1\r\nhost: localhost\r\nconnection: close, k3ts-identity\r\n${lines}\r\n`);
    await raw.readUntil("\r\n\r\n");
    const seen = JSON.parse(await raw.readUntil("}"));
    for (const name of spellings.map((name) => name.toLowerCase())) {
      if (name === "k3ts-identity") assert(!String(seen[name]).includes("CAEaBWFkbWlu"), name);
      else equal(seen[name], undefined, name);
    }
  }));

function inPieces(stream: number, head: Uint8Array): Uint8Array[] {
  const size = 16_000;
  const pieces = Array.from(
    { length: Math.ceil(head.length / size) },
    (_, at) => head.subarray(at * size, (at + 1) * size),
  );
  return pieces.map((piece, at) => {
    const last = at === pieces.length - 1 ? END_HEADERS : 0;
    return at === 0
      ? frame(TYPES.headers, END_STREAM | last, stream, piece)
      : frame(TYPES.continuation, last, stream, piece);
  });
}
