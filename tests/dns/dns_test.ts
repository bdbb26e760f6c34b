/** The real dataplane under the real supervisor, asked as pods ask. */
import { deepEqual as assertEquals, equal, ok as assert, rejects } from "node:assert/strict";
import { join } from "node:path";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { DnsService, DnsSnapshotSchema, SupervisedSocket_Protocol as Protocol } from "@k3ts/proto";
import fc from "fast-check";
import { dial, freePort, nativeProgram, Supervised, until } from "../supervisor/supervised.ts";
import {
  ask,
  decode,
  encode,
  FORMERR,
  NOERROR,
  NXDOMAIN,
  overUdp,
  REFUSED,
  SERVFAIL,
  TYPES,
  UdpSocket,
} from "./query.ts";

type Snapshot = MessageInitShape<typeof DnsSnapshotSchema>;

const WEB = "web.default.svc.cluster.local";
const MANY = Array.from({ length: 60 }, (_, index) => `10.42.0.${index + 1}`);

const SNAPSHOT: Snapshot = {
  version: "1",
  clusterDomain: "cluster.local",
  names: [
    { name: WEB, addresses: ["10.43.0.7", "fd00::7"] },
    { name: `_http._tcp.${WEB}`, services: [{ priority: 0, weight: 100, port: 80, target: WEB }] },
    { name: "7.0.43.10.in-addr.arpa", pointers: [WEB] },
    { name: "far.default.svc.cluster.local", canonicalName: "there.example" },
    { name: "near.default.svc.cluster.local", canonicalName: WEB },
    { name: "many.default.svc.cluster.local", addresses: MANY },
  ],
};

class Dataplane implements AsyncDisposable {
  private constructor(readonly supervised: Supervised, readonly port: number) {}

  static async start(snapshot: Snapshot | undefined): Promise<Dataplane> {
    const port = freePort();
    const address = `127.0.0.1:${port}`;
    const supervised = await Supervised.start((folder) => ({
      sockets: [
        { name: "dns-udp", protocol: Protocol.UDP, address },
        { name: "dns-tcp", protocol: Protocol.TCP, address },
      ],
      processes: [{
        name: "dataplane",
        command: [nativeProgram("k3ts-dataplane"), "--data-dir", folder],
        sockets: ["dns-udp", "dns-tcp"],
        saysReady: true,
        logPath: join(folder, "logs/dataplane.log"),
      }],
    }));
    const dataplane = new Dataplane(supervised, port);
    await until("the dataplane answers", async () => (await dataplane.load()).names === 0);
    if (snapshot !== undefined) await dataplane.write(snapshot);
    return dataplane;
  }

  async write(snapshot: Snapshot): Promise<{ names: number; version: string }> {
    const folder = this.supervised.path("node");
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeFile(join(folder, "new"), toBinary(DnsSnapshotSchema, create(DnsSnapshotSchema, snapshot)));
    await Deno.rename(join(folder, "new"), join(folder, "dns.snapshot"));
    return await this.load();
  }

  async load() {
    await using connection = await dial(this.supervised.path("run/dataplane.sock"));
    return await createClient(DnsService, connection.transport).loadSnapshot({});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.supervised[Symbol.asyncDispose]();
  }
}

Deno.test("the cluster's names are answered with authority, whatever their case", async () => {
  await using dataplane = await Dataplane.start(SNAPSHOT);
  const answer = await ask(WEB.toUpperCase(), "A", dataplane);
  equal(answer.code, NOERROR);
  equal(answer.authoritative, true);
  assertEquals(answer.answers, [`${WEB} A 10.43.0.7`]);
  assertEquals((await ask(WEB, "AAAA", dataplane)).answers, [`${WEB} AAAA fd00:0:0:0:0:0:0:7`]);
  const reverse = await ask("7.0.43.10.in-addr.arpa", "PTR", dataplane);
  assertEquals(reverse.answers, [`7.0.43.10.in-addr.arpa PTR ${WEB}`]);
  const service = await ask(`_http._tcp.${WEB}`, "SRV", { port: dataplane.port, transport: "tcp" });
  assertEquals(service.answers, [`_http._tcp.${WEB} SRV 0 100 80 ${WEB}`]);
  assertEquals(service.additionals, [`${WEB} A 10.43.0.7`, `${WEB} AAAA fd00:0:0:0:0:0:0:7`]);
  const near = await ask("near.default.svc.cluster.local", "A", dataplane);
  assertEquals(near.answers, [`near.default.svc.cluster.local CNAME ${WEB}`, `${WEB} A 10.43.0.7`]);
});

Deno.test("Deno's own resolver understands the answers", async () => {
  await using dataplane = await Dataplane.start(SNAPSHOT);
  const nameServer = { ipAddr: "127.0.0.1", port: dataplane.port };
  assertEquals(await Deno.resolveDns(`${WEB}.`, "A", { nameServer }), ["10.43.0.7"]);
  await rejects(Deno.resolveDns(`none.${WEB}.`, "A", { nameServer }), Deno.errors.NotFound);
});

Deno.test("what does not exist is told apart from what has no such record, each with an SOA", async () => {
  await using dataplane = await Dataplane.start(SNAPSHOT);
  const soa = ["cluster.local SOA ns.dns.cluster.local"];
  for (
    const name of ["none.default.svc.cluster.local", `${WEB}.default.svc.cluster.local`, "cluster.local.cluster.local"]
  ) {
    const { code, answers, authorities } = await ask(name, "A", dataplane);
    assertEquals({ code, answers, authorities }, { code: NXDOMAIN, answers: [], authorities: soa });
  }
  for (const name of [WEB, "default.svc.cluster.local", "cluster.local"]) {
    const { code, answers, authorities } = await ask(name, "MX", dataplane);
    assertEquals({ code, answers, authorities }, { code: NOERROR, answers: [], authorities: soa });
  }
});

Deno.test("an answer that is too large for a datagram is cut, and whole over TCP or with EDNS", async () => {
  await using dataplane = await Dataplane.start(SNAPSHOT);
  const { port } = dataplane;
  const name = "many.default.svc.cluster.local";
  const cut = await ask(name, "A", { port });
  equal(cut.truncated, true);
  assert(cut.answers.length < MANY.length);
  for (const question of [{ port, transport: "tcp" as const }, { port, payload: 1232 }]) {
    const { truncated, answers } = await ask(name, "A", question);
    equal(truncated, false);
    assertEquals(new Set(answers), new Set(MANY.map((address) => `${name} A ${address}`)));
  }
  const firsts = new Set<string | undefined>();
  for (let time = 0; time < 10; time++) firsts.add((await ask(name, "A", { port, payload: 1232 })).answers[0]);
  assert(firsts.size > 5, "clients spread themselves");
});

Deno.test("without upstreams other names are refused", async () => {
  await using dataplane = await Dataplane.start(SNAPSHOT);
  equal((await ask("there.example", "A", dataplane)).code, REFUSED);
});

Deno.test("other names are asked of the upstreams, once, and aliases are followed there", async () => {
  await using upstream = await Upstream.start({ "there.example": "192.0.2.1" });
  await using dataplane = await Dataplane.start({ ...SNAPSHOT, upstreams: [`127.0.0.1:${upstream.port}`] });
  for (let time = 0; time < 3; time++) {
    const { answers, authoritative } = await ask("there.example", "A", dataplane);
    assertEquals(answers, ["there.example A 192.0.2.1"]);
    equal(authoritative, false);
  }
  equal(upstream.questions, 1);
  const far = await ask("far.default.svc.cluster.local", "A", dataplane);
  assertEquals(far.answers, ["far.default.svc.cluster.local CNAME there.example", "there.example A 192.0.2.1"]);
  equal((await ask("nowhere.example", "A", dataplane)).code, NXDOMAIN);
  equal((await ask(WEB, "A", dataplane)).code, NOERROR);
});

Deno.test("an upstream that is silent makes a failure, and does not hold up the cluster's names", async () => {
  await using silent = await UdpSocket.open();
  await using dataplane = await Dataplane.start({
    ...SNAPSHOT,
    upstreams: [`127.0.0.1:${silent.port}`],
  });
  const failing = ask("there.example", "A", dataplane);
  equal((await ask(WEB, "A", dataplane)).code, NOERROR);
  equal((await failing).code, SERVFAIL);
});

Deno.test("a new snapshot is taken over whole, and a broken one changes nothing", async () => {
  await using dataplane = await Dataplane.start(undefined);
  equal((await ask(WEB, "A", dataplane)).code, NXDOMAIN);
  const { names, version } = await dataplane.write({ ...SNAPSHOT, version: "7" });
  assertEquals({ names, version }, { names: 6, version: "7" });
  equal((await ask(WEB, "A", dataplane)).code, NOERROR);
  await Deno.writeFile(dataplane.supervised.path("node/dns.snapshot"), new Uint8Array([255, 255, 255]));
  await rejects(dataplane.load(), /Cannot take over .* as it must be a DnsSnapshot/);
  equal((await ask(WEB, "A", dataplane)).code, NOERROR);
});

Deno.test("killed, it answers again from its snapshot, and no question is lost on the way", async () => {
  await using dataplane = await Dataplane.start(SNAPSHOT);
  const { pid } = await dataplane.supervised.running("dataplane");
  Deno.kill(pid, "SIGKILL");
  // Waits in the socket, which the supervisor holds, until the next process reads it.
  equal((await ask(WEB, "A", dataplane)).code, NOERROR);
  equal((await ask(WEB, "A", { port: dataplane.port, transport: "tcp" })).code, NOERROR);
});

Deno.test("malformed packets are answered with an error or not at all, and harm nothing", async () => {
  await using dataplane = await Dataplane.start(SNAPSHOT);
  const { port } = dataplane;
  const cut = encode(WEB, TYPES.A).subarray(0, 20);
  equal(decode(await overUdp(cut, port)).code, FORMERR);
  await using socket = await UdpSocket.open();
  const packet = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc.nat(60).map((at) => flip(encode(WEB, TYPES.A, 1232), at)),
  );
  await fc.assert(
    fc.asyncProperty(packet, async (bytes) => {
      await socket.send(bytes, port);
    }),
    { numRuns: 500 },
  );
  equal((await ask(WEB, "A", dataplane)).code, NOERROR);
  equal((await dataplane.supervised.running("dataplane")).restarts, 0);
});

Deno.test("the dataplane is replaced without a lost question, over UDP and TCP, and what takes its time is answered", async () => {
  await using upstream = await Upstream.start({ "slow.example": "192.0.2.9" });
  upstream.delayMs = 500;
  const upstreams = [`127.0.0.1:${upstream.port}`];
  await using dataplane = await Dataplane.start({ ...SNAPSHOT, upstreams });
  await until("it serves", async () => (await dataplane.supervised.process("dataplane"))?.ready);
  const { port } = dataplane;
  const abort = new AbortController();
  let asked = 0;
  const load = Array.from({ length: 4 }, async (_, index) => {
    while (!abort.signal.aborted) {
      equal((await ask(WEB, "A", { port, transport: index === 0 ? "tcp" : "udp" })).code, NOERROR);
      asked++;
    }
  });
  const failed = Promise.all(load);
  for (let round = 0; round < 5; round++) {
    const before = asked;
    await Promise.race([failed, until("the load runs", () => asked > before + 100)]);
    const questions = upstream.questions;
    const slow = (["udp", "tcp"] as const).map((transport) => ask("slow.example", "A", { port, transport }));
    await until("they have been taken", () => upstream.questions > questions);
    await dataplane.supervised.client.restart({ name: "dataplane" });
    for (const answer of await Promise.all(slow)) assertEquals(answer.answers, ["slow.example A 192.0.2.9"]);
  }
  abort.abort();
  await failed;
});

function flip(bytes: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ 0xff;
  return bytes;
}

/** A name server that knows a few addresses, and counts what it is asked. */
class Upstream implements AsyncDisposable {
  questions = 0;
  /** How long it thinks about each. */
  delayMs = 0;

  private constructor(readonly socket: UdpSocket, readonly addresses: Record<string, string>) {
    socket.onMessage((question, from) => {
      const answer = this.#answer(question);
      setTimeout(() => void socket.send(answer, from), this.delayMs);
    });
  }

  static async start(addresses: Record<string, string>): Promise<Upstream> {
    return new Upstream(await UdpSocket.open(), addresses);
  }

  get port(): number {
    return this.socket.port;
  }

  #answer(question: Uint8Array): Uint8Array {
    this.questions++;
    const end = question.indexOf(0, 12) + 5;
    const address = this.addresses[decodeName(question.subarray(12, end - 5)).toLowerCase()];
    const found = address === undefined ? 0 : 1;
    const head = [question[0] ?? 0, question[1] ?? 0, 0x81, found ? 0x80 : 0x83, 0, 1, 0, found, 0, 0, 0, 0];
    const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...(address ?? "").split(".").map(Number)];
    return new Uint8Array([...head, ...question.subarray(12, end), ...(found ? record : [])]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.socket[Symbol.asyncDispose]();
  }
}

function decodeName(bytes: Uint8Array): string {
  const labels: string[] = [];
  for (let at = 0; at < bytes.length; at += 1 + (bytes[at] ?? 0)) {
    labels.push(new TextDecoder().decode(bytes.subarray(at + 1, at + 1 + (bytes[at] ?? 0))));
  }
  return labels.join(".");
}
