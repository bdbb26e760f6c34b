/** Nodes that mean harm: their certificates are the cluster's, and so they may open tunnels; nobody else may feel it. */
import { equal, match, ok as assert } from "node:assert/strict";
import { until } from "../supervisor/supervised.ts";
import { serve, splice } from "./backend.ts";
import { END_HEADERS, frame, Http2, joined, TYPES } from "./frames.ts";
import { type Gateway, nodeCredentials, NodeGateway } from "./gateway.ts";
import { beside } from "./neighbour.ts";
import type { Credentials } from "@k3ts/tools/pki";

/** HPACK's `:status: 200`. */
const OK = new Uint8Array([0x88]);
const NOT_FOUND = new Uint8Array([0x8d]);
const FRAME_BYTES = 16_384;
/** Of the gateway, for one node. */
const TUNNELS_MAX = 16, WAITING_MAX = 1024;
const certificates = new WeakMap<Gateway, Credentials>();
const REFUSED = 'k3ts_gateway_connections_refused_total{client="user"}';

/** Runs a test while a client is served by a node that behaves, through its tunnel. */
function besideNode(what: (gateway: Gateway) => Promise<void>, servedMin = 2): Promise<void> {
  return beside(what, {
    servedMin,
    path: "/to/good/whoami",
    handle(_request, path) {
      const [, node, rest] = /^\/to\/([^/]+)(\/.*)$/.exec(path) ?? [];
      return node === undefined ? undefined : splice(node, rest!);
    },
    async begin(gateway) {
      const stack = new AsyncDisposableStack();
      const node = stack.use(await NodeGateway.start(gateway, "good"));
      stack.use(serve(node.agentSocket));
      return stack;
    },
  });
}

/** A tunnel of the node that means harm. Its certificate is made once for each gateway. */
async function evil(gateway: Gateway, options?: { reads?: boolean }): Promise<Http2> {
  const credentials = certificates.get(gateway) ?? await nodeCredentials(gateway.authority, "evil");
  certificates.set(gateway, credentials);
  return await Http2.tunnel(gateway.port, gateway.authority.cert, credentials, options);
}

/** Answers every request with these bytes, as if an agent said them. */
function answer(node: Http2, says: string): void {
  const answered = new Set<number>();
  node.onOpened = (id) => void node.flood(frame(TYPES.headers, END_HEADERS, id, OK));
  node.onData = (id) => {
    if (answered.has(id)) return;
    answered.add(id);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < says.length; at += FRAME_BYTES) {
      pieces.push(frame(TYPES.data, 0, id, new TextEncoder().encode(says.slice(at, at + FRAME_BYTES))));
    }
    void node.flood(joined(pieces));
  };
}

function tunnels(gateway: Gateway, count: number): Promise<unknown> {
  return until("they are connected", async () => (await gateway.status()).tunnels === count);
}

function descriptors(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

Deno.test("a node that opens a thousand tunnels and never reads holds a few of them", () =>
  besideNode(async (gateway) => {
    const { pid } = await gateway.supervised.running("gateway");
    const before = descriptors(pid);
    const opened: Http2[] = [];
    // A few at a time, as the neighbour is in this process too.
    for (let round = 0; round < 250; round++) {
      opened.push(...await Promise.all(Array.from({ length: 4 }, () => evil(gateway, { reads: false }))));
    }
    const accepted = () => gateway.metric("k3ts_gateway_connections_total");
    await until("all have been taken", async () => (await accepted() ?? 0) > opened.length);
    await until("the others have been closed", () => descriptors(pid) < before + 32);
    await tunnels(gateway, 2);
    for (const each of opened) each[Symbol.dispose]();
    await tunnels(gateway, 1);
    // The handshakes of a thousand clients take this process, and so the neighbour, most of its time.
  }, 5));

Deno.test("tunnels that cannot end, as their streams do not, are few", () =>
  besideNode(async (gateway) => {
    const opened: Http2[] = [];
    const asked: Promise<unknown>[] = [];
    const leave = new AbortController();
    using http = Deno.createHttpClient({ caCerts: [gateway.authority.cert] });
    for (let round = 0; round < TUNNELS_MAX + 8; round++) {
      const node = await evil(gateway);
      opened.push(node);
      const heard = Promise.withResolvers<void>();
      node.onOpened = (id) => {
        // The stream is there, and says nothing.
        void node.flood(frame(TYPES.headers, END_HEADERS, id, OK));
        heard.resolve();
      };
      if (round >= TUNNELS_MAX) {
        await node.closed;
        continue;
      }
      await until("it is the one in use", async () => {
        asked.push(fetch(`${gateway.url}/to/evil/x`, { client: http, signal: leave.signal }).catch(() => {}));
        return await Promise.race([heard.promise.then(() => true), new Promise((resolve) => setTimeout(resolve, 200))]);
      });
    }
    equal(await gateway.metric(REFUSED), 8);
    leave.abort();
    await Promise.all(asked);
    for (const each of opened) each[Symbol.dispose]();
    await tunnels(gateway, 1);
    using again = await evil(gateway);
    await tunnels(gateway, 2);
    assert(again.goaway === undefined);
  }));

Deno.test("floods of PING and SETTINGS in a tunnel, read and unread, fill no memory", () =>
  besideNode(async (gateway) => {
    const pings = joined(Array.from({ length: 1000 }, () => frame(TYPES.ping, 0, 0, new Uint8Array(8))));
    const settings = joined(
      Array.from({ length: 1000 }, () => frame(TYPES.settings, 0, 0, new Uint8Array([0, 4, 0, 1, 0, 0]))),
    );
    for (const flood of [pings, settings]) {
      using reader = await evil(gateway);
      for (let round = 0, open = true; open && round < 100; round++) open = await reader.flood(flood);
      using deaf = await evil(gateway, { reads: false });
      await Promise.race([
        (async () => {
          for (let round = 0, open = true; open && round < 1000; round++) open = await deaf.flood(flood);
        })(),
        // It comes to rest when all buffers on the way are full.
        new Promise((resolve) => setTimeout(resolve, 3000)),
      ]);
    }
  }, 20));

Deno.test("what a node says instead of an answer ends as 502, and leads nowhere", () =>
  besideNode(async (gateway) => {
    using node = await evil(gateway);
    await tunnels(gateway, 2);
    const head = "HTTP/1.1 200 OK\r\n";
    const garbage = [
      "garbage\r\n\r\n",
      "\0".repeat(10_000),
      `${head}content-length: 5\r\ncontent-length: 6\r\n\r\nhello`,
      `${head}x: ${"y".repeat(4_000_000)}`,
      `${head}${"x: y\r\n".repeat(1000)}\r\n`,
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ];
    using connection = gateway.connect(gateway.admin);
    for (const says of garbage) {
      answer(node, says);
      const { status, text } = await connection.get("/to/evil/x");
      equal(status, 502, `${says.slice(0, 60)}: ${text}`);
      match(JSON.parse(text).message, /^Cannot /);
    }
    // Where a request goes says the server, and nobody behind it.
    answer(node, `${head}k3ts-splice-node: good\r\nk3ts-splice-path: /whoami\r\ncontent-length: 4\r\n\r\nevil`);
    equal((await connection.get("/to/evil/x")).text, "evil");
    // Before it is asked an agent says nothing; where that is seen in time nothing has been sent to it, and the way is
    // tried a few times.
    node.onData = () => {};
    node.onOpened = (id) => {
      const pieces = [frame(TYPES.headers, END_HEADERS, id, OK), frame(TYPES.data, 0, id, new Uint8Array(9))];
      void node.flood(joined(pieces));
    };
    const early = await connection.get("/to/evil/x");
    equal(early.status, 502);
    match(early.text, /it closes every connection|its head cannot be read/);
    // A refusal has its reason, as far as that is one.
    node.onOpened = (id) => {
      const reason = Array.from({ length: 3 }, () => frame(TYPES.data, 0, id, new Uint8Array(FRAME_BYTES).fill(97)));
      void node.flood(joined([frame(TYPES.headers, END_HEADERS, id, NOT_FOUND), ...reason]));
    };
    const { status, text } = await connection.get("/to/evil/x");
    equal(status, 502);
    assert(text.length < 2000, `${text.length} bytes`);
  }));

Deno.test("a node that answers no stream keeps those waiting who ask for it, and nobody else", () =>
  besideNode(async (gateway) => {
    using _node = await evil(gateway);
    await tunnels(gateway, 2);
    using open = new DisposableStack();
    const connections = Array.from({ length: 6 }, () => open.use(gateway.connect(gateway.admin)));
    const replies = connections.flatMap((each) => Array.from({ length: 200 }, () => each.get("/to/evil/x")));
    await until("as many wait as may", async () => (await gateway.status()).requestsWaiting >= WAITING_MAX);
    const reasons = new Map<string, number>();
    for (const { status, text } of await Promise.all(replies)) {
      equal(status, 502);
      const reason = /[^:]*$/.exec(JSON.parse(text).message)![0].trim();
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
    equal(reasons.get("it does not answer"), WAITING_MAX);
    equal(reasons.get(`${WAITING_MAX} requests wait for it already`), replies.length - WAITING_MAX);
  }, 20));
