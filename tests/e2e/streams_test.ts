/**
 * Streams to containers by unmodified kubectl, over WebSockets and over SPDY, and by k3ts: on the server's own machine
 * and on one that is reached through its tunnel only.
 */
import { deepEqual as assertEquals, equal, match, ok as assert } from "node:assert/strict";
import { delay } from "@k3ts/client";
import { ensureKubectl, KUBECTL_VERSIONS } from "@k3ts/tools/kubectl";
import { memoryOf } from "@k3ts/tools/processes";
import { signalIfAlive } from "@k3ts/tools/run";
import { eventually, type Output, type TestMachine } from "./machine.ts";
import { TestNodes } from "./nodes.ts";
import { provideImage } from "./workloads.ts";

const IMAGE = "busybox:1.37";
const MEGABYTES = 64;
/** MB that an agent may have grown by after all that, and keep. */
const GROWTH_MAX = 150;

const [OLDEST, , NEWEST] = KUBECTL_VERSIONS;
/** Each by another kubectl; what is the same in both is done by the one in between. */
const WAYS = {
  WebSocket: { env: {}, program: await ensureKubectl(NEWEST) },
  SPDY: {
    env: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false", KUBECTL_PORT_FORWARD_WEBSOCKETS: "false" },
    program: await ensureKubectl(OLDEST),
  },
} as const;

/** Long-lived, with what tells one container from another. */
function pod(name: string, node: string, command: string[], more: object = {}) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `${name}-${node}`, labels: { node, name } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: "c", image: IMAGE, command, ...more }],
    },
  };
}

/** A server of pages, and one that hears all before it answers. */
const SERVE = "mkdir /tmp/www; echo hello > /tmp/www/index.html; " +
  "httpd -f -p 8080 -h /tmp/www & nc -ll -p 8081 -e wc -c & nc -ll -p 8083 -e sleep 1 & wait";

Deno.test("streams reach containers on every node, over WebSockets and SPDY", async (t) => {
  await using nodes = await TestNodes.start({ agents: 1 });
  const { first } = nodes;
  const kubectl = (way: keyof typeof WAYS, words: string[], input?: string): Promise<Output> =>
    first.run([WAYS[way].program, ...words], { env: WAYS[way].env, ...(input !== undefined && { input }) });

  await t.step("pods on both nodes", async () => {
    await provideImage(["n1", "n2"].map((name) => nodes.machine(name)));
    await first.apply(...["n1", "n2"].flatMap((node) => [
      pod("tool", node, ["sh", "-c", "trap exit TERM; while :; do sleep 0.1; done"]),
      pod("once", node, ["sh", "-c", "cat; echo end of input"], { stdin: true, stdinOnce: true }),
      pod("shell", node, ["sh"], { stdin: true, tty: true }),
      pod("net", node, ["sh", "-c", SERVE]),
      pod("talk", node, ["sh", "-c", "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.2; done"]),
      pod("waiting", node, ["true"], { image: "nowhere.invalid/none:1", imagePullPolicy: "Never" }),
    ]));
    await nodes.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "pod", "-l", "name notin (waiting)");
  });
  const before = (await memoryOf(await nodes.pidOf("agent", "n2"))).rss;

  for (const node of ["n1", "n2"]) {
    for (const way of ["WebSocket", "SPDY"] as const) {
      await t.step(`exec: streams, exit codes, large input and output (${node}, ${way})`, async () => {
        const said = await kubectl(
          way,
          ["exec", "-i", `tool-${node}`, "--", "sh", "-c", "cat; echo err >&2; exit 7"],
          "in",
        );
        assertEquals([said.code, said.stdout], [7, "in"]);
        match(said.stderr, /^err\ncommand terminated with exit code 7\n$/);
        equal((await kubectl(way, ["exec", `tool-${node}`, "--", "true"])).code, 0);
        const missing = await kubectl(way, ["exec", `tool-${node}`, "--", "no-such-program"]);
        match(missing.stderr, /no-such-program/);
        equal(missing.code, 127);
        const sums = await kubectl(way, [
          "exec",
          `tool-${node}`,
          "--",
          "sh",
          "-c",
          `head -c ${MEGABYTES}m /dev/urandom > /tmp/x; md5sum < /tmp/x`,
        ]);
        const { program } = WAYS[way];
        const there = await first.run(["sh", "-c", `${program} exec tool-${node} -- cat /tmp/x | md5sum`], {
          env: WAYS[way].env,
        });
        equal(there.stdout, sums.stdout);
        const back = await first.run(
          ["sh", "-c", `${program} exec tool-${node} -- cat /tmp/x | ${program} exec -i tool-${node} -- md5sum`],
          { env: WAYS[way].env },
        );
        equal(back.stdout, sums.stdout);
      });

      await t.step(`exec -it: a terminal of our size (${node}, ${way})`, async () => {
        const command = `stty rows 33 cols 99; ${
          WAYS[way].program
        } exec -it tool-${node} -- sh -c 'until stty size 2>&1 | grep 99; do :; done; exit 5'`;
        const said = await first.run(["script", "-qec", command, "/dev/null"], { env: WAYS[way].env });
        match(said.stdout, /33 99/);
        equal(said.code, 5);
      });

      await t.step(
        `a client that vanishes takes along what reads its input or has its terminal (${node}, ${way})`,
        async () => {
          for (const options of [["-i"], ["-it"]]) {
            // Ends with its input, and with its terminal.
            const script = `while read line; do :; done # ${node} ${way} ${options}`;
            const words = [WAYS[way].program, "exec", ...options, `tool-${node}`, "--", "sh", "-c", script];
            const terminal = ["script", "-qec", words.map(quote).join(" "), "/dev/null"];
            const child = first.command(options[0] === "-it" ? terminal : words, {
              stdin: "piped",
              stdout: "null",
              stderr: "null",
              env: WAYS[way].env,
            }).spawn();
            await eventually(async () => equal(await countOf(`sh -c ${script}`), 1));
            child.kill("SIGKILL");
            await child.status;
            await child.stdin.abort().catch(() => {}); // its reader is gone
            await eventually(async () => equal(await countOf(`sh -c ${script}`), 0));
          }
        },
      );

      await t.step(`attach: input once, output from now on, the end of the container (${node}, ${way})`, async () => {
        const restarts = await restartsOf(nodes, `once-${node}`);
        const said = await kubectl(way, ["attach", "-i", `once-${node}`], "words\n");
        equal(said.code, 0, said.stderr);
        match(said.stdout, /^words\nend of input\n$/);
        await eventually(async () => equal(await restartsOf(nodes, `once-${node}`), restarts + 1));
        await nodes.kubectl("wait", "--for=condition=Ready", "--timeout=60s", `pod/once-${node}`);
        match((await kubectl(way, ["attach", `waiting-${node}`])).stderr, /is not running/);
      });

      await t.step(`several attach to one terminal (${node}, ${way})`, async () => {
        const words = [WAYS[way].program, "attach", "-i", `shell-${node}`];
        const children = [0, 1].map(() => first.command(words, { stdin: "piped", env: WAYS[way].env }).spawn());
        const heard = children.map((child) => listen(child));
        const writer = children[0]!.stdin.getWriter();
        try {
          await eventually(async () => {
            await writer.write(new TextEncoder().encode(`echo $((40 + 2))${way}\n`));
            for (const { text } of heard) match(text(), new RegExp(`42${way}`));
          });
        } finally {
          for (const child of children) child.kill("SIGKILL");
          await Promise.all(heard.map(({ ended }) => ended));
          await writer.abort().catch(() => {}); // its reader is gone
          await children[1]!.stdin.close().catch(() => {}); // its reader is gone
        }
      });

      await t.step(`port-forward: many connections, half-closed ones, refused ones (${node}, ${way})`, async () => {
        const child = first.command(
          [WAYS[way].program, "port-forward", `net-${node}`, "18080:8080", "18081:8081", "18082:99"],
          { stdin: "null", env: WAYS[way].env },
        ).spawn();
        const { text, ended } = listen(child);
        try {
          await eventually(() => match(text(), /127\.0\.0\.1:18082/));
          equal(await pagesAt(first, 18080), "hello ".repeat(50));
          // The answer comes once the input has ended, and the connection goes on for that long.
          equal((await ask(first, 18081, "x".repeat(3_000_000))).trim(), "3000000");
          equal(await ask(first, 18082, "x"), "");
          await eventually(() =>
            match(
              text(),
              new RegExp(`an error occurred forwarding 18082 -> 99: error forwarding port 99 to pod net-${node}, uid `),
            )
          );
          match(text(), /Connection refused/);
        } finally {
          signalIfAlive(child, "SIGKILL");
          await ended;
        }
      });

      await t.step(`port-forward: what the pod breaks off does not look like an end (${node}, ${way})`, async () => {
        const child = first.command(
          [WAYS[way].program, "port-forward", `net-${node}`, "18083:8083"],
          { stdin: "null", env: WAYS[way].env },
        ).spawn();
        const { text, ended } = listen(child);
        try {
          await eventually(() => match(text(), /127\.0\.0\.1:18083/));
          // Its program ends on what it has not read, which resets the connection.
          equal(await ask(first, 18083, "x"), "");
          await eventually(() =>
            match(text(), /forwarding 18083 -> 8083: error forwarding port 8083 to pod .*: connection reset by peer/)
          );
        } finally {
          signalIfAlive(child, "SIGKILL");
          await ended;
        }
      });

      await t.step(`cp: both ways (${node}, ${way})`, async () => {
        const folder = `${first.dataDir}/cp-${node}-${way}`;
        await Deno.mkdir(`${folder}/from/sub`, { recursive: true });
        await Deno.writeFile(`${folder}/from/sub/data`, crypto.getRandomValues(new Uint8Array(60_000)));
        equal((await kubectl(way, ["cp", `${folder}/from`, `tool-${node}:/tmp/${way}`])).code, 0);
        equal((await kubectl(way, ["cp", `tool-${node}:/tmp/${way}`, `${folder}/to`])).code, 0);
        equal((await first.run(["diff", "-r", `${folder}/from`, `${folder}/to`])).stdout, "");
      });
    }

    await t.step(`k3ts: exec, attach, port-forward and cp (${node})`, async () => {
      const fed = await first.run(first.k3tsCommand("exec", "-i", `tool-${node}`, "--", "wc", "-c"), {
        input: "x".repeat(1_000_000),
      });
      equal(fed.stdout.trim(), "1000000", fed.stderr);
      const attached = await first.run(first.k3tsCommand("attach", "-i", `once-${node}`), { input: "words\n" });
      assertEquals([attached.stdout, attached.code], ["words\nend of input\n", 0], attached.stderr);
      const child = first.command(
        first.k3tsCommand("port-forward", `pod/net-${node}`, "18090:8080", "18091:8081", "18092:99", "18093:8083"),
        {
          stdin: "null",
        },
      ).spawn();
      const { text, ended } = listen(child);
      try {
        await eventually(() => match(text(), /127\.0\.0\.1:18093/));
        equal(await pagesAt(first, 18090), "hello ".repeat(50));
        equal((await ask(first, 18091, "x".repeat(3_000_000))).trim(), "3000000");
        equal(await ask(first, 18092, "x"), "");
        await eventually(() => match(text(), /An error occurred forwarding 18092 -> 99: .*Connection refused/));
        equal(await ask(first, 18093, "x"), "");
        await eventually(() => match(text(), /An error occurred forwarding 18093 -> 8083: .*connection reset by peer/));
        // It goes on after that.
        equal(await pagesAt(first, 18090), "hello ".repeat(50));
      } finally {
        signalIfAlive(child, "SIGINT");
        await ended;
      }
      const folder = `${first.dataDir}/cp-${node}`;
      await Deno.mkdir(`${folder}/from/sub`, { recursive: true });
      await Deno.writeFile(`${folder}/from/sub/${"n".repeat(150)}`, crypto.getRandomValues(new Uint8Array(60_000)));
      await first.k3ts("cp", `${folder}/from`, `tool-${node}:/tmp/k3ts`);
      await first.k3ts("cp", `tool-${node}:/tmp/k3ts`, `${folder}/to`);
      equal((await first.run(["diff", "-r", `${folder}/from`, `${folder}/to`])).stdout, "");
      match((await first.tryK3ts("cp", `tool-${node}:/nowhere`, folder)).stderr, /nowhere: No such file/);
      const missing = await first.tryK3ts("cp", `${folder}/nowhere`, `tool-${node}:/tmp`);
      match(
        missing.stderr,
        /^Error: Cannot copy \S+nowhere as it must be a file or a folder that can be read: No such/,
      );
    });

    await t.step(`logs: what is waited for, what is not there, options (${node})`, async () => {
      const complaint = async (...words: string[]) => (await kubectl("SPDY", ["logs", ...words])).stderr;
      match(
        await complaint(`waiting-${node}`),
        /container "c" in pod "waiting-n\d" is waiting to start: ErrImageNeverPull/,
      );
      match(await complaint(`talk-${node}`, "-c", "nobody"), /container nobody is not valid for pod talk-/);
      match(await complaint(`talk-${node}`, "-p"), /previous terminated container "c" in pod "talk-n\d" not found/);
      match(await nodes.kubectl("logs", `talk-${node}`, "--limit-bytes=8"), /^line 0\nl$/);
      match(await nodes.kubectl("logs", `talk-${node}`, "--tail=1", "--timestamps"), /^\d{4}-\S+Z line \d+\n$/);
      match(
        await nodes.k3ts("logs", `talk-${node}`, "--since=1s", "--prefix"),
        new RegExp(`^(\\[pod/talk-${node}/c\\] line \\d+\n)+$`),
      );
    });

    await t.step(`the pages of the node's agent, for those who may see them (${node})`, async () => {
      const page = (path: string, ...options: string[]) =>
        first.run([first.kubectlPath, "get", "--raw", `/api/v1/nodes/${node}/proxy${path}`, ...options]);
      equal((await page("/healthz")).stdout, "ok");
      const pods = JSON.parse((await page("/pods")).stdout) as { items: { spec: { nodeName: string } }[] };
      assert(pods.items.length >= 6 && pods.items.every(({ spec }) => spec.nodeName === node));
      match((await page(`/containerLogs/default/talk-${node}/c?tailLines=1`)).stdout, /^line \d+\n$/);
      const pod = `/api/v1/namespaces/default/pods/net-${node}:8080/proxy/index.html`;
      equal(await nodes.kubectl("get", "--raw", pod), "hello\n");
      match((await page("/nowhere")).stderr, /NotFound|could not find/);
      match((await page("/k3ts.v1.StreamService/Exec")).stderr, /nodes\/proxy does not lead to/);
      match((await page("/healthz", "--as=somebody")).stderr, /cannot get resource "nodes\/proxy"/);
    });
  }

  await t.step("a client that is slow, and then gone, costs the agent no memory that grows", async () => {
    const children = Array.from(
      { length: 6 },
      () =>
        first.command([WAYS.SPDY.program, "exec", "tool-n2", "--", "cat", "/dev/zero"], {
          stdin: "null",
          env: WAYS.SPDY.env,
        }).spawn(),
    );
    // Nobody reads what they write.
    await eventually(async () => equal(await countOf("cat /dev/zero"), 6));
    await delay(3_000, AbortSignal.timeout(10_000));
    const waiting = (await memoryOf(await nodes.pidOf("agent", "n2"))).rss;
    for (const child of children) {
      child.kill("SIGKILL");
      await child.stdout.cancel();
      await child.stderr.cancel();
      await child.status;
    }
    await eventually(async () => equal(await countOf("cat /dev/zero"), 0));
    assert(waiting - before < GROWTH_MAX, `the agent has grown from ${before} MB to ${waiting} MB`);
  });

  await t.step(
    "k3ts logs -f loses and repeats no line while the log is rotated and the agent, gateway and server are killed",
    async () => {
      await first.apply(
        pod("flood", "n2", [
          "sh",
          "-c",
          "i=0; while [ $i -lt 8000 ]; do echo $i $(printf %04000d 0); i=$((i+1)); usleep 3000; done; sleep 600",
        ]),
      );
      await nodes.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "pod/flood-n2");
      const child = first.command(first.k3tsCommand("logs", "-f", "flood-n2"), { stdin: "null" }).spawn();
      const { text, ended } = listen(child);
      const numbers = () => text().split("\n").filter((line) => line !== "").map((line) => Number(line.split(" ")[0]));
      try {
        for (
          const [process, machine] of [["agent", "n2"], ["gateway", "n1"], ["server", "n1"], ["gateway", "n2"]] as const
        ) {
          const seen = numbers().length;
          await eventually(() => assert(numbers().length > seen + 50));
          Deno.kill(await nodes.pidOf(process, machine), "SIGKILL");
        }
        await eventually(() => equal(numbers().at(-1), 7999), 120);
        assertEquals(numbers(), Array.from({ length: 8000 }, (_, index) => index));
        assert(await hasRotated(nodes.machine("n2")), "the log was never rotated");
      } finally {
        signalIfAlive(child, "SIGINT");
        await ended;
      }
    },
  );
});

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Of processes of this machine with this command line. */
async function countOf(program: string): Promise<number> {
  let count = 0;
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const line = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => ""); // it has ended meanwhile
    const words = line.split("\0").join(" ").trim();
    if (words === program) count++;
  }
  return count;
}

async function restartsOf(nodes: TestNodes, name: string): Promise<number> {
  return Number(await nodes.kubectl("get", "pod", name, "-o", "jsonpath={.status.containerStatuses[0].restartCount}"));
}

/** What a program says, on both streams. */
function listen(child: Deno.ChildProcess): { text: () => string; ended: Promise<void> } {
  let text = "";
  const reading = [child.stdout, child.stderr].map(async (stream) => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) text += chunk;
  });
  return { text: () => text, ended: Promise.all([...reading, child.status]).then(() => {}) };
}

/** Says something at a port of a machine, ends its side, and hears the other one out. */
async function ask(machine: TestMachine, port: number, text: string): Promise<string> {
  const program = `const c = await Deno.connect({ port: ${port} });
    const heard = new Response(c.readable).text();
    const text = new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
    for (let at = 0; at < text.length;) at += await c.write(text.subarray(at));
    await c.closeWrite();
    await Deno.stdout.write(new TextEncoder().encode(await heard));`;
  return (await machine.run([Deno.execPath(), "eval", program], { input: text })).stdout;
}

/** Fifty pages, asked for at once. */
async function pagesAt(machine: TestMachine, port: number): Promise<string> {
  const program = `const all = Array.from({ length: 50 }, async () =>
      (await (await fetch("http://127.0.0.1:${port}/", { headers: { connection: "close" } })).text()).trim() + " ");
    console.log((await Promise.all(all)).join(""));`;
  const { stdout, stderr } = await machine.run([Deno.execPath(), "eval", program]);
  return `${stdout.trimEnd()} ${stderr}`;
}

async function hasRotated(machine: TestMachine): Promise<boolean> {
  const found = await machine.run(["find", `${machine.dataDir}/node/pods`, "-name", "0.log.*"]);
  return found.stdout !== "";
}
