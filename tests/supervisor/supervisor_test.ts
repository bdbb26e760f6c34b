/** What the supervisor promises, with the real one and processes that every Debian can run. */
import { equal, match, notEqual, ok as assert, rejects } from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { SupervisedSocket_Protocol as Protocol } from "@k3ts/proto";
import { alive, type Config, freePort, Supervised, supervisor, until } from "./supervised.ts";

/** Answers every connection on the socket that it is handed with its own id, what it was told, and its log's lines. */
const ANSWER = `
open(L, "+<&=", 3) or die;
print STDERR "began\\n";
while (1) {
  vec(my $ready = "", 3, 1) = 1;
  next unless select($ready, undef, undef, undef) > 0 && accept(my $client, L);
  syswrite($client, join(" ", $$, $ENV{LISTEN_PID}, $ENV{LISTEN_FDS}, $ENV{LISTEN_FDNAMES}, $ENV{GREETING}));
  close($client);
}`;
const SLEEP = ["sleep", "1000"];
/** Waits for a file before it says that it is ready, and for a second one before it ends when told to. */
const READY = `
use IO::Socket::UNIX;
my ($begin, $end) = @ARGV;
$SIG{TERM} = sub { until (-e $end) { select(undef, undef, undef, 0.01) } exit 0 };
until (-e $begin) { select(undef, undef, undef, 0.01) }
my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ENV{NOTIFY_SOCKET}) or die;
$socket->send("READY=1");
sleep(1000) while 1;`;

function answering(port: number, greeting = "hello"): Config {
  return {
    sockets: [{ name: "api", protocol: Protocol.TCP, address: `127.0.0.1:${port}` }],
    processes: [
      { name: "answer", command: ["perl", "-e", ANSWER], sockets: ["api"], environment: { GREETING: greeting } },
      { name: "sleep", command: SLEEP },
    ],
  };
}

async function ask(port: number): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = new Uint8Array(1000);
  return new TextDecoder().decode(bytes.subarray(0, await connection.read(bytes) ?? 0));
}

Deno.test("a process is handed its socket as systemd would", async () => {
  const port = freePort();
  await using supervised = await Supervised.start(() => answering(port));
  const { pid } = await supervised.running("answer");
  equal(await ask(port), `${pid} ${pid} 1 api hello`);
});

Deno.test("a process that ends is started again, and connects wait for it", async () => {
  const port = freePort();
  await using supervised = await Supervised.start(() => answering(port));
  const { pid } = await supervised.running("answer");
  Deno.kill(pid, "SIGKILL");
  match(await ask(port), /api hello$/);
  const process = await supervised.running("answer", pid);
  equal(process.restarts, 1);
  equal(process.lastExit, "signal 9");
  equal((await supervised.process("sleep"))?.restarts, 0);
});

Deno.test("a killed supervisor takes nothing with it, and the next one goes on", async () => {
  const port = freePort();
  await using supervised = await Supervised.start(() => answering(port));
  const [answer, sleep] = [await supervised.running("answer"), await supervised.running("sleep")];
  await supervised.kill();
  match(await ask(port), new RegExp(`^${answer.pid} `));

  await supervised.launch();
  const adopted = await supervised.running("answer");
  equal(adopted.pid, answer.pid);
  equal(adopted.adopted, true);
  equal(adopted.startedAtMs, answer.startedAtMs);
  equal((await supervised.running("sleep")).pid, sleep.pid);

  // The socket was had back from the process: it is handed to the next one, with the connects that waited.
  Deno.kill(answer.pid, "SIGKILL");
  match(await ask(port), / api hello$/);
  const next = await supervised.running("answer", answer.pid);
  equal(next.adopted, false);
});

Deno.test("what ended while nobody watched is started again", async () => {
  const port = freePort();
  await using supervised = await Supervised.start(() => answering(port));
  const { pid } = await supervised.running("answer");
  await supervised.kill();
  Deno.kill(pid, "SIGKILL");
  await until("the process is gone", () => !alive(pid));
  await supervised.launch();
  notEqual((await supervised.running("answer")).pid, pid);
  match(await ask(port), / api hello$/);
});

Deno.test("a new configuration restarts only what it changes, and survives", async () => {
  const port = freePort();
  await using supervised = await Supervised.start(() => answering(port));
  const [answer, sleep] = [await supervised.running("answer"), await supervised.running("sleep")];
  await supervised.client.configure({ config: answering(port, "good-day") });
  match(await ask(port), /good-day$/);
  assert(!alive(answer.pid));
  equal((await supervised.running("sleep")).pid, sleep.pid);

  const elsewhere = freePort();
  await supervised.client.configure({ config: answering(elsewhere, "moved") });
  match(await ask(elsewhere), /moved$/);
  await rejects(ask(port), Deno.errors.ConnectionRefused);

  await supervised.kill();
  await supervised.launch();
  match(await ask(elsewhere), /moved$/);
  equal((await supervised.running("sleep")).pid, sleep.pid);
});

Deno.test("a configuration whose port is taken changes nothing", async () => {
  const port = freePort();
  await using supervised = await Supervised.start(() => answering(port));
  const { pid } = await supervised.running("answer");
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const failed = supervised.client.configure({ config: answering(taken.addr.port) });
  await rejects(failed, (error) => {
    assert(error instanceof ConnectError);
    equal(error.code, Code.FailedPrecondition);
    const address = `127\\.0\\.0\\.1:${taken.addr.port}`;
    match(error.rawMessage, new RegExp(`^Cannot listen on ${address} \\(tcp\\) as .*: process ${Deno.pid} \\(deno`));
    return true;
  });
  match(await ask(port), new RegExp(`^${pid} `));
});

Deno.test("a port in use and a second supervisor each end in one sentence", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/run`);
  const socket = `{"name": "api", "protocol": "PROTOCOL_TCP", "address": "127.0.0.1:${taken.addr.port}"}`;
  await Deno.writeTextFile(`${folder}/run/supervisor.json`, `{"sockets": [${socket}]}`);
  match(
    await failure(folder),
    /^time=\S+ level=error msg="Cannot listen on .* as the port must be free: process \d+ \(deno.*\) holds it"\n$/,
  );
  await Deno.remove(folder, { recursive: true });

  await using supervised = await Supervised.start(() => ({ processes: [] }));
  match(
    await failure(supervised.folder),
    new RegExp(`as one supervisor at a time .*: process ${supervised.pid} holds it"\n$`),
  );
});

Deno.test("stopping ends the processes in reverse, the stubborn by force, and then the supervisor", async () => {
  const stubborn = `trap '' TERM; echo stubborn has begun; while :; do sleep 1; done`;
  const polite = `trap 'echo polite ends; exit 0' TERM; echo polite has begun; while :; do sleep 0.1; done`;
  await using supervised = await Supervised.start((folder) => ({
    processes: [
      { name: "polite", command: ["sh", "-c", polite], logPath: `${folder}/logs/polite.log` },
      { name: "stubborn", command: ["sh", "-c", stubborn], logPath: `${folder}/logs/stubborn.log`, stopTimeoutMs: 100 },
    ],
  }));
  const log = (name: string) => Deno.readTextFile(supervised.path(`logs/${name}.log`));
  const pids = [(await supervised.running("polite")).pid, (await supervised.running("stubborn")).pid];
  await until("both have begun", async () => (await log("polite")) && await log("stubborn"));
  await supervised.client.stop({});
  equal((await supervised.ended())?.code, 0);
  equal(await log("polite"), "polite has begun\npolite ends\n");
  for (const pid of pids) assert(!alive(pid));
});

Deno.test("a process that cannot be started is reported and tried again", async () => {
  await using supervised = await Supervised.start((folder) => ({
    processes: [{ name: "absent", command: [`${folder}/absent`] }],
  }));
  const process = await until("it was tried twice", async () => {
    const process = await supervised.process("absent");
    return (process?.restarts ?? 0) >= 2 && process;
  });
  equal(process.running, false);
  match(process.lastExit, /Cannot start "absent" as its command must be runnable: .*No such file/);
  await Deno.writeTextFile(supervised.path("absent"), "#!/bin/sh\nexec sleep 1000\n", { mode: 0o755 });
  await supervised.running("absent");
});

Deno.test("a process is restarted on request", async () => {
  await using supervised = await Supervised.start(() => ({ processes: [{ name: "sleep", command: SLEEP }] }));
  const { pid } = await supervised.running("sleep");
  await supervised.client.restart({ name: "sleep" });
  notEqual((await supervised.running("sleep")).pid, pid);
  await rejects(supervised.client.restart({ name: "other" }), /Cannot restart "other" as it must be configured/);
});

Deno.test("a process that says when it serves is replaced by one that does, and ends then", async () => {
  await using supervised = await Supervised.start((folder) => ({ processes: [slow(folder)] }));
  const touch = (name: string) => Deno.writeTextFile(supervised.path(name), "");
  const first = await supervised.running("slow");
  await touch("begin");
  await until("it is ready", async () => (await supervised.process("slow"))?.ready);
  await Deno.remove(supervised.path("begin"));

  const restarted = supervised.client.restart({ name: "slow" });
  const record = () => Deno.readTextFile(supervised.path("run/processes.json")).then(JSON.parse);
  const [{ pid: next }] = await until("there are two", async () => {
    const { leaving } = await record();
    return leaving.length === 1 && leaving;
  });
  assert(alive(first.pid) && alive(next) && next !== first.pid);
  await touch("begin");
  await restarted;
  equal((await supervised.process("slow"))?.pid, next);
  equal((await record()).leaving[0].pid, first.pid, "it ends in its own time");
  await touch("end");
  await until("the first has ended", () => !alive(first.pid));
  await until("it is forgotten", async () => (await record()).leaving.length === 0);
  equal((await supervised.running("slow")).pid, next);
});

Deno.test("a process whose successor fails goes on", async () => {
  await using supervised = await Supervised.start((folder) => ({ processes: [slow(folder)] }));
  const { pid } = await supervised.running("slow");
  const broken = { ...slow(supervised.folder), command: ["sh", "-c", "exit 3"] };
  await rejects(
    supervised.client.configure({ config: { processes: [broken] } }),
    /Cannot replace "slow" as the new one must say that it serves: exit 3/,
  );
  equal((await supervised.running("slow")).pid, pid);
  await Deno.writeTextFile(supervised.path("end"), "");
});

Deno.test("a supervisor that is killed while it replaces leaves the old process and ends the new one", async () => {
  await using supervised = await Supervised.start((folder) => ({ processes: [slow(folder)] }));
  await Deno.writeTextFile(supervised.path("end"), "");
  const { pid } = await supervised.running("slow");
  const interrupted = rejects(supervised.client.restart({ name: "slow" }));
  const record = () => Deno.readTextFile(supervised.path("run/processes.json")).then(JSON.parse);
  const [{ pid: next }] = await until("there are two", async () => {
    const { leaving } = await record();
    return leaving.length === 1 && leaving;
  });
  await supervised.kill();
  await interrupted;
  await supervised.launch();
  equal((await supervised.running("slow")).pid, pid);
  await until("the new one has ended", () => !alive(next));
});

Deno.test("the supervisor is small", async () => {
  await using supervised = await Supervised.start(() => answering(freePort()));
  await supervised.running("sleep");
  const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(await Deno.readTextFile(`/proc/${supervised.pid}/status`))?.[1]);
  assert(kilobytes < 6_000, `${kilobytes} kB`);
});

function slow(folder: string) {
  return { name: "slow", command: ["perl", "-e", READY, `${folder}/begin`, `${folder}/end`], saysReady: true };
}

async function failure(folder: string): Promise<string> {
  const { success, stderr } = await supervisor(folder, "piped").output();
  equal(success, false);
  return new TextDecoder().decode(stderr);
}
