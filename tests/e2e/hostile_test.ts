/** What somebody who means harm may try from outside, against a whole cluster: requests as bytes, floods, bombs. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createAuthority, type Credentials, loadAuthority } from "@k3ts/tools/pki";
import { eventually, TestCluster } from "./cluster.ts";
import { readAdmin } from "./credentials.ts";

interface Answer {
  status: number;
  body: string;
}

/** A client that runs in the cluster's network, since nobody else reaches it. */
const CLIENT = `
const { ca, cert, key, requests } = JSON.parse(await new Response(Deno.stdin.readable).text());
const answers = [];
for (const { raw, asAdmin } of requests) {
  const connection = await Deno.connectTls({
    hostname: "127.0.0.1", port: 6443, caCerts: [ca], alpnProtocols: ["http/1.1"], ...(asAdmin && { cert, key }),
  });
  const bytes = new TextEncoder().encode(raw);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at)).catch(() => bytes.length);
  let text = "";
  try {
    for await (const part of connection.readable.pipeThrough(new TextDecoderStream())) text += part;
  } catch { /* cut off is an answer too */ }
  answers.push(text);
}
console.log(JSON.stringify(answers));
`;

/** Asks once with each certificate, by HTTP/1.1 and by HTTP/2. */
const STRANGERS = `
const { ca, url, strangers } = JSON.parse(await new Response(Deno.stdin.readable).text());
const answers = [];
for (const { cert, key } of strangers) {
  for (const http2 of [false, true]) {
    using client = Deno.createHttpClient({ caCerts: [ca], cert, key, http2, http1: !http2 });
    const response = await fetch(url, { client });
    answers.push({ status: response.status, type: response.headers.get("content-type"), body: await response.text() });
  }
}
console.log(JSON.stringify(answers));
`;

/** Opens as many connections as it is told and gets, holds them, and says how many are left when all were tried. */
const GREEDY = `
const { ca, hostname, count } = JSON.parse(await new Response(Deno.stdin.readable).text());
const request = new TextEncoder().encode("GET /version HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n");
const held = [];
let begun = 0;
async function open() {
  while (begun++ < count) {
    try {
      const connection = await Deno.connectTls({ hostname, port: 6443, caCerts: [ca], alpnProtocols: ["http/1.1"] });
      await connection.write(request);
      if (await connection.read(new Uint8Array(1000)) === null) throw new Error("closed");
      held.push(connection);
    } catch { /* One too many. */ }
  }
}
await Promise.all(Array.from({ length: 16 }, open));
console.log(held.length);
setInterval(() => {}, 1_000_000);
`;

Deno.test("a hostile client gets refusals, and everybody else answers", async (t) => {
  await using cluster = await TestCluster.start();
  const admin = await readAdmin(cluster);
  const ask = async (requests: { raw: string; asAdmin?: boolean }[]): Promise<Answer[]> => {
    const { stdout, stderr } = await cluster.run([Deno.execPath(), "eval", CLIENT], {
      input: JSON.stringify({ ...admin, requests }),
    });
    ok(stdout !== "", stderr);
    return (JSON.parse(stdout) as string[]).map((text) => ({
      status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0),
      body: text.slice(text.indexOf("\r\n\r\n") + 4),
    }));
  };

  await t.step("nobody is who they say in headers of ours", async () => {
    const forged = "CgVhZG1pbhIOc3lzdGVtOm1hc3RlcnM";
    const headers = [
      `k3ts-identity: ${forged}`,
      `K3TS-Identity: ${forged}\r\nk3ts-identity: ${forged}`,
      `Connection: k3ts-identity`,
      `x-remote-user: admin\r\nx-remote-group: system:masters`,
      `k3ts-ask: splice\r\nk3ts-splice-node: n1`,
      `Impersonate-User: admin\r\nImpersonate-Group: system:masters`,
    ];
    for (const { status, body } of await ask(headers.map((header) => ({ raw: get("/api/v1/secrets", header) })))) {
      equal(status, 403, body);
      match(body, /system:anonymous/);
    }
  });

  await t.step("a certificate that is not the cluster's, or no longer, gets 401", async () => {
    const read = (name: string) => Deno.readTextFile(`${cluster.dataDir}/pki/${name}`);
    const own = await loadAuthority({ cert: await read("ca.crt"), key: await read("ca.key") });
    // Of the same name, as every cluster's authority has it.
    const other = await createAuthority(own.name);
    const admin = "CN=admin, O=system:masters";
    const node = "CN=system:node:n1, O=system:nodes";
    const strangers: Credentials[] = [
      await other.issue(admin),
      await other.issue(node),
      await own.issue(admin, { expired: true }),
      await own.issue(node, { expired: true }),
    ];
    const url = "https://127.0.0.1:6443/api/v1/namespaces/default/pods";
    const { stdout, stderr } = await cluster.run([Deno.execPath(), "eval", STRANGERS], {
      input: JSON.stringify({ ca: own.cert, url, strangers }),
    });
    ok(stdout !== "", stderr);
    const answers = JSON.parse(stdout) as { status: number; type: string; body: string }[];
    equal(answers.length, 2 * strangers.length);
    for (const { status, type, body } of answers) {
      equal(`${status} ${type}`, "401 application/json", body);
      deepEqual(JSON.parse(body), {
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Failure",
        message: "Unauthorized",
        reason: "Unauthorized",
        code: 401,
      });
    }
    // One that holds is still one.
    const { stdout: fine } = await cluster.run([Deno.execPath(), "eval", STRANGERS], {
      input: JSON.stringify({ ca: own.cert, url, strangers: [await own.issue(admin)] }),
    });
    equal((JSON.parse(fine) as { status: number }[]).map(({ status }) => status).join(), "200,200");
  });

  await t.step("one address does not get all connections", async () => {
    const greedy = cluster.command([Deno.execPath(), "eval", GREEDY], { stdin: "piped" }).spawn();
    const writer = greedy.stdin.getWriter();
    // The machine's address on its bridge, which is no loopback.
    await writer.write(new TextEncoder().encode(JSON.stringify({ ...admin, hostname: "10.42.0.1", count: 1000 })));
    await writer.close();
    const reader = greedy.stdout.getReader();
    equal(new TextDecoder().decode((await reader.read()).value).trim(), "512");
    match(await cluster.kubectl("get", "nodes"), /n1 +Ready/);
    const curl = ["curl", "-sk", "-m", "10", "https://10.42.0.1:6443/version"];
    ok((await cluster.run(curl)).code !== 0, "it is not one address");
    greedy.kill("SIGKILL");
    await greedy.status;
    await reader.cancel();
    await greedy.stderr.cancel();
    await eventually(async () => equal((await cluster.run(curl)).code, 0));
  });

  await t.step("a request has one meaning, or none", async () => {
    const hidden = get("/api/v1/secrets");
    const post = (headers: string, body: string) => `POST /version HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n${body}`;
    const answers = await ask([
      { raw: post(`Content-Length: ${hidden.length + 5}\r\nTransfer-Encoding: chunked`, `0\r\n\r\n${hidden}`) },
      { raw: post(`Content-Length: ${hidden.length}\r\nTransfer-Encoding: xchunked`, hidden) },
      { raw: post(`Content-Length: 0\r\nContent-Length: ${hidden.length}`, hidden) },
      { raw: post(`Content-Length: +${hidden.length}`, hidden) },
      { raw: get("/version", "X-A: b\r\n folded: c") },
      { raw: get("/version", "k3ts-identity : x") },
      { raw: get("/ver\0sion") },
      { raw: get("/api/v1/namespaces/%zz"), asAdmin: true },
      { raw: get("//api/v1/secrets"), asAdmin: true },
      { raw: get("/version/../api/v1/secrets") },
    ]);
    for (const { status, body } of answers) {
      ok([400, 403, 404].includes(status), `${status} ${body}`);
      ok(!body.includes("HTTP/1.1"), "a second answer to one request");
    }
  });

  await t.step("what would take for ever to read is refused at once", async () => {
    const path = "/api/v1/namespaces/default/configmaps";
    const post = (body: string, type: string, to = path, method = "POST") => ({
      raw: `${method} ${to} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: ${type}\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
      asAdmin: true,
    });
    const keys = Array.from({ length: 150_000 }, (_, index) => `  k${index}: v`).join("\n");
    const deep = '{"a":'.repeat(100_000) + "1" + "}".repeat(100_000);
    await cluster.kubectl("create", "configmap", "victim");
    const begun = performance.now();
    const answers = await ask([
      post(`data:\n${keys}`, "application/yaml"),
      post("[".repeat(200_000), "application/yaml"),
      post(`{"x":${deep}}`, "application/json"),
      post(`{"x":${deep}}`, "application/merge-patch+json", `${path}/victim`, "PATCH"),
      post("k8s\0" + "\x0b".repeat(100_000), "application/vnd.kubernetes.protobuf"),
      post("x".repeat(4 << 20), "application/json"),
    ]);
    ok(performance.now() - begun < 15_000);
    const statuses = answers.map(({ status }) => status).join(" ");
    // The last may also be cut off while it still sends.
    match(statuses, /^400 400 400 400 400 (413|0)$/);
  });

  await t.step("no secret is to be seen, and nothing of it is open to others", async () => {
    const { stdout: open } = await cluster.run([
      "find",
      `${cluster.dataDir}/run`,
      `${cluster.dataDir}/pki`,
      `${cluster.dataDir}/store`,
      "-perm",
      "/077",
    ]);
    equal(open, "");
    const { stdout: found } = await cluster.run([
      "grep",
      "-rlE",
      "PRIVATE KEY|K3TS1\\.[0-9a-f]{64}\\.|eyJhbGci",
      `${cluster.dataDir}/logs`,
    ]);
    equal(found, "");
    const { stdout: processes } = await cluster.run(["ps", "-eo", "args"]);
    // Other machines of tests run beside this one.
    const own = processes.split("\n").filter((line) => line.includes(cluster.dataDir));
    ok(own.length > 0);
    ok(!/K3TS1\.[0-9a-f]{64}\.[0-9a-f]{8}\.|PRIVATE KEY/.test(own.join("\n")));
  });

  match(await cluster.kubectl("get", "nodes"), /n1 +Ready/);
});

function get(path: string, headers = "X-Nothing: x"): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\nConnection: close\r\n\r\n`;
}
