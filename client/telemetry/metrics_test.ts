import { equal, match, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { mergeMetrics, Metrics } from "./metrics.ts";

Deno.test("figures are rendered as Prometheus reads them", async () => {
  const metrics = new Metrics();
  const requests = metrics.counter("requests_total", "Requests.", "verb", "code");
  requests.add({ verb: "GET", code: "200" });
  requests.add({ verb: "GET", code: "200" }, 2);
  metrics.gauge("depth", "What waits.").set(3);
  const seconds = metrics.histogram("seconds", "How long.", ["verb"], [0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 5]) seconds.observe(value, { verb: "GET" });
  equal(
    await metrics.render(),
    `# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{verb="GET",code="200"} 3
# HELP depth What waits.
# TYPE depth gauge
depth 3
# HELP seconds How long.
# TYPE seconds histogram
seconds_bucket{verb="GET",le="0.1"} 2
seconds_bucket{verb="GET",le="1"} 3
seconds_bucket{verb="GET",le="+Inf"} 4
seconds_sum{verb="GET"} 5.65
seconds_count{verb="GET"} 4
`,
  );
});

Deno.test("whatever a label says, it stays on its line", async () => {
  await fc.assert(fc.asyncProperty(fc.string(), async (value) => {
    const metrics = new Metrics();
    metrics.counter("a_total", "A.", "label").add({ label: value });
    const lines = (await metrics.render()).split("\n");
    equal(lines.length, 4);
    match(lines[2]!, /^a_total\{label="(?:[^"\\]|\\.)*"\} 1$/);
  }));
});

Deno.test("more combinations than are kept are counted together", async () => {
  const metrics = new Metrics();
  const counter = metrics.counter("a_total", "A.", "label");
  for (let number = 0; number < 2_100; number++) counter.add({ label: `${number}` });
  match(await metrics.render(), /a_total\{label="other"\} 100\n/);
});

Deno.test("a label that is missing and a name that is taken are mistakes", () => {
  const metrics = new Metrics();
  throws(() => metrics.counter("a_total", "A.", "label").add({}), /label "label" must be given/);
  throws(() => metrics.gauge("a_total", "A."), /its name must be new/);
});

Deno.test("a collector that fails keeps nobody from being heard", async () => {
  const metrics = new Metrics();
  const gauge = metrics.gauge("a", "A.");
  metrics.onCollect(() => Promise.reject(new Error("gone")));
  metrics.onCollect(() => gauge.set(1));
  ok((await metrics.render()).endsWith("a 1\n"));
});

Deno.test("figures of several processes stand together by name", () => {
  const text = (value: number) =>
    `# HELP a_total A.\n# TYPE a_total counter\na_total ${value}\n# TYPE b gauge\nb{x="y"} ${value}\n`;
  equal(
    mergeMetrics(new Map([["server", text(1)], ["plugins", text(2)]])),
    `# HELP a_total A.
# TYPE a_total counter
a_total{process="server"} 1
a_total{process="plugins"} 2
# TYPE b gauge
b{process="server",x="y"} 1
b{process="plugins",x="y"} 2
`,
  );
});
