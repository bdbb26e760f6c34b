/** The gateway as what it is for HTTP, a proxy that ends TLS, beside nginx in front of the same server. */
import { Gateway } from "@k3ts/tests/gateway";
import { freePort } from "@k3ts/tests/supervised";
import { ensurePeer } from "@k3ts/tools/peers";
import { memoryOfAll, usedDuring } from "../sides/control_plane.ts";
import type { Benchmark, Sample, Setting, Side, Sides } from "../core/benchmark.ts";
import { h2load } from "../sides/h2load.ts";
import { nginxPids, startNginx } from "../sides/nginx.ts";

const NGINX = "nginx";
const DIRECT = "straight to the server";

const RATE = "requests, many in flight";
const LATENCY = "a request, one at a time, mean";
const CPU = "CPU time of the proxy for a request";
const CONNECTIONS = "connections, a request each";
const CONNECTION_CPU = "CPU time of the proxy for a connection";
const MEMORY = "memory then, shared pages by their part (PSS)";

const noWorse = { ratio: 1, of: NGINX };

export const gateway: Benchmark = {
  name: "gateway",
  what:
    "h2load asks by HTTP/2 and TLS 1.3 for a small answer of a server behind the proxy, an nginx on a unix socket " +
    "(HTTP/1.1, kept connections). Both proxies have the same certificate and ask clients for one. Straight: the same " +
    "server with TLS of its own. The gateway also tells the server who asks.",
  rounds: 8,
  parameters: { requests: 20_000, single: 1_000, connections: 200, bytes: 1_024 },
  quick: { requests: 2_000, single: 200, connections: 50 },
  figures: [
    { name: RATE, unit: "1/s", better: "more", goal: noWorse },
    { name: LATENCY, unit: "µs", better: "less", goal: noWorse },
    { name: CPU, unit: "µs", better: "less", goal: noWorse },
    { name: CONNECTIONS, unit: "1/s", better: "more", goal: noWorse },
    { name: CONNECTION_CPU, unit: "µs", better: "less", goal: noWorse },
    { name: MEMORY, unit: "MB", better: "less", goal: noWorse },
  ],
  open,
};

async function open({ parameters, peers, say }: Setting): Promise<Sides> {
  const program = await ensurePeer("h2load", say);
  const nginx = await ensurePeer("nginx", say);
  await using stack = new AsyncDisposableStack();
  const gateway = stack.use(await Gateway.start());
  const folder = gateway.supervised.folder;
  const pki = `${folder}/pki`;
  const tls = (socket: string) => [
    `listen ${socket} ssl http2;`,
    `ssl_certificate ${pki}/server.crt; ssl_certificate_key ${pki}/server.key;`,
    `ssl_protocols TLSv1.3; ssl_verify_client optional; ssl_client_certificate ${pki}/ca.crt;`,
  ];
  const at = async (name: string, http: string[], probe: string): Promise<ReturnType<typeof startNginx>> => {
    const own = `${folder}/${name}`;
    await Deno.mkdir(own);
    const serves = async () =>
      (await new Deno.Command("curl", { args: ["-skf", ...probe.split(" ")] }).output()).success;
    return stack.use(await startNginx({ program: nginx, folder: own, http, serves }));
  };
  const ports = [freePort(), freePort()] as const;
  const answer = `location / { return 200 "${"x".repeat(parameters.bytes!)}"; }`;
  const backend = await at("backend", [
    "server {",
    `  listen unix:${gateway.serverSocket};`,
    ...tls(`127.0.0.1:${ports[0]}`),
    answer,
    "}",
  ], `https://127.0.0.1:${ports[0]}/`);
  const side = (name: string, url: string, pids: () => Promise<Record<string, number>>): Side => ({
    name,
    measure: () => measure(program, url, pids, parameters),
  });
  const { pid } = await gateway.supervised.running("gateway");
  const sides: [Side, ...Side[]] = [side("k3ts", `${gateway.url}/`, () => Promise.resolve({ gateway: pid }))];
  if (peers) {
    const proxy = await at("proxy", [
      `upstream server { server unix:${gateway.serverSocket}; keepalive 64; }`,
      "server {",
      ...tls(`127.0.0.1:${ports[1]}`),
      '  location / { proxy_pass http://server; proxy_http_version 1.1; proxy_set_header Connection ""; }',
      "}",
    ], `https://127.0.0.1:${ports[1]}/`);
    sides.push(side(NGINX, `https://127.0.0.1:${ports[1]}/`, () => nginxPids(proxy)));
    sides.push(side(DIRECT, `https://127.0.0.1:${ports[0]}/`, () => nginxPids(backend)));
  }
  const moved = stack.move();
  return { sides, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

async function measure(
  program: string,
  url: string,
  pidsOf: () => Promise<Record<string, number>>,
  { requests, single, connections }: Record<string, number>,
): Promise<Sample> {
  const pids = await pidsOf();
  const many = await usedDuring(
    pids,
    () => h2load({ program, url, connections: 8, streams: 8, requests: requests! }),
  );
  const one = await h2load({ program, url, connections: 1, streams: 1, requests: single! });
  const fresh = await usedDuring(
    pids,
    () => h2load({ program, url, connections: connections!, streams: 1, requests: connections! }),
  );
  return {
    [RATE]: many.result.perSecond,
    [LATENCY]: one.meanMs * 1000,
    [CPU]: many.all.seconds / requests! * 1e6,
    [CONNECTIONS]: fresh.result.perSecond,
    [CONNECTION_CPU]: fresh.all.seconds / connections! * 1e6,
    [MEMORY]: (await memoryOfAll(Object.values(pids))).pss,
  };
}
