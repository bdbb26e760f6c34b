/** One trace from an API write to a running container, as a collector of OpenTelemetry receives it. */
import { TextLineStream } from "@k3ts/tools/lines";
import { deepEqual, equal, ok } from "node:assert/strict";
import { eventually } from "./machine.ts";
import { TestCluster } from "./cluster.ts";

const PORT = 4318;

/** Takes OTLP over HTTP as JSON and prints `service trace name` of every span. */
const COLLECTOR = `
  Deno.serve({ hostname: "127.0.0.1", port: ${PORT}, onListen: () => console.log("listens") }, async (request) => {
    const { resourceSpans } = JSON.parse(await request.text());
    for (const { resource, scopeSpans } of resourceSpans ?? []) {
      const service = resource.attributes.find(({ key }) => key === "service.name").value.stringValue;
      for (const { spans } of scopeSpans) for (const { traceId, name } of spans) console.log(service, traceId, name);
    }
    return Response.json({});
  });`;

const TRACED = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "traced" },
  spec: {
    selector: { matchLabels: { app: "traced" } },
    template: {
      metadata: { labels: { app: "traced" } },
      spec: { containers: [{ name: "c", image: "busybox:1.37", command: ["sleep", "1000000"] }] },
    },
  },
};

Deno.test("one trace leads from kubectl's request to a running container", async () => {
  await using cluster = await TestCluster.prepare();
  const collector = cluster.command([Deno.execPath(), "eval", "--quiet", COLLECTOR], { stdin: "null" }).spawn();
  const lines: string[] = [];
  const read = (async () => {
    const said = collector.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of said) lines.push(line);
  })();
  try {
    await eventually(() => ok(lines.includes("listens")));
    cluster.environment = {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${PORT}`,
      // Sent at once, not every five seconds.
      OTEL_BSP_SCHEDULE_DELAY: "200",
    };
    await cluster.up("--demo");
    await cluster.says("Hello from k3ts");
    await cluster.apply(TRACED);
    await cluster.kubectl("rollout", "status", "deployment/traced", "--timeout=60s");
    await eventually(() => {
      const spans = lines.map((line) => /^(\S+) (\S+) (.*)$/.exec(line)).filter((match) => match !== null)
        .map(([, service, trace, name]) => ({ service: service!, trace: trace!, name: name! }));
      const written = spans.find(({ service, name, trace }) =>
        service === "k3ts-server" && /^(POST|PATCH) deployments$/.test(name) &&
        spans.some((other) => other.trace === trace && other.name === "pod start")
      );
      ok(written !== undefined, lines.join("\n"));
      const names = new Set(
        spans.filter(({ trace }) => trace === written.trace).map(({ service, name }) => `${service} ${name}`),
      );
      const wanted = [
        "k3ts-server store commit",
        "k3ts-plugins reconcile deployment",
        "k3ts-plugins reconcile replicaset",
        "k3ts-plugins reconcile scheduler",
        "k3ts-agent pod createSandbox",
        "k3ts-agent pod start",
      ];
      deepEqual(wanted.filter((name) => !names.has(name)), [], [...names].join("\n"));
    }, 20);
  } finally {
    collector.kill("SIGKILL");
    await read;
  }
});

Deno.test("nobody is told of anything who did not ask for it", async () => {
  await using cluster = await TestCluster.start();
  const events = await cluster.kubectl("get", "pods", "-A", "-o", "json");
  equal(events.includes("traceparent"), false);
});
