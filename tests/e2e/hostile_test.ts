/** What somebody who means harm may try from outside, against a whole cluster: requests as bytes, floods, bombs. */
import { equal, match, ok } from "node:assert/strict";
import { parse } from "yaml";
import { TestCluster } from "./cluster.ts";

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

Deno.test("a hostile client gets refusals, and everybody else answers", async (t) => {
  await using cluster = await TestCluster.start();
  const admin = await readKubeconfig(cluster);
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
    ok(!/K3TS1\.[0-9a-f]{64}\.[0-9a-f]{8}\.|PRIVATE KEY/.test(processes));
  });

  match(await cluster.kubectl("get", "nodes"), /n1 +Ready/);
});

function get(path: string, headers = "X-Nothing: x"): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\nConnection: close\r\n\r\n`;
}

async function readKubeconfig({ dataDir }: TestCluster): Promise<{ ca: string; cert: string; key: string }> {
  const { clusters, users } = parse(await Deno.readTextFile(`${dataDir}/admin.kubeconfig`)) as {
    clusters: [{ cluster: Record<string, string> }];
    users: [{ user: Record<string, string> }];
  };
  return {
    ca: atob(clusters[0].cluster["certificate-authority-data"]!),
    cert: atob(users[0].user["client-certificate-data"]!),
    key: atob(users[0].user["client-key-data"]!),
  };
}
