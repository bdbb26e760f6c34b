import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { mergeMetrics, Metrics } from "@k3ts/client/telemetry";
import { lintExposition, parseExposition } from "./exposition.ts";

const GOOD = `# HELP a_total A.
# TYPE a_total counter
a_total{x="y\\"\\n\\\\"} 1
a_total 2
# HELP h_seconds H.
# TYPE h_seconds histogram
h_seconds_bucket{le="0.1"} 1
h_seconds_bucket{le="+Inf"} 2
h_seconds_sum 1.5e-3
h_seconds_count 2
`;

Deno.test("what is well-formed is read", () => {
  const families = parseExposition(GOOD);
  deepEqual(families.get("a_total")!.samples[0], { name: "a_total", labels: { x: 'y"\n\\' }, value: 1 });
  equal(families.get("h_seconds")!.samples.length, 4);
  deepEqual(lintExposition(families.values()), []);
});

Deno.test("what a strict reader would refuse is refused", () => {
  const refused: [string, RegExp][] = [
    [GOOD.slice(0, -1), /last line/],
    [GOOD + "a_total 3\n", /apart from its family/],
    [GOOD + "# TYPE a_total counter\n", /second time/],
    [GOOD.replace("a_total 2", 'a_total{x="y\\"\\n\\\\"} 1'), /second sample/],
    [GOOD.replace("a_total 2", 'a_total{x="1",x="2"} 1'), /label twice/],
    [GOOD.replace("a_total 2", "a_total two"), /no number/],
    [GOOD.replace("a_total 2", 'a_total{x="\n"} 1'), /label that is none/],
    [GOOD.replace('le="0.1"} 1', 'le="0.1"} 3'), /less than/],
    [GOOD.replace("h_seconds_count 2", "h_seconds_count 3"), /differ/],
    [GOOD.replace('h_seconds_bucket{le="+Inf"} 2\n', ""), /lacks/],
  ];
  for (const [text, why] of refused) throws(() => parseExposition(text), why);
});

Deno.test("what promtool warns of is found", () => {
  const text = '# TYPE a counter\na 1\n# HELP latency_ms L.\n# TYPE latency_ms gauge\nlatency_ms{camelCase="x"} 1\n';
  const findings = lintExposition(parseExposition(text).values());
  for (const what of ["a has no help", "a should end", "base unit", "camelCase"]) {
    ok(findings.some((finding) => finding.includes(what)), what);
  }
});

Deno.test("whatever is counted, what processes tell together is well-formed", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.tuple(fc.string(), fc.double({ noNaN: true, min: 0, max: 1e9 })), { maxLength: 20 }),
    fc.string({ minLength: 1 }),
    async (counted, process) => {
      const metrics = new Metrics();
      const total = metrics.counter("a_total", "A\nand \\ more.", "process", "x");
      const seconds = metrics.histogram("b_seconds", "B.", ["x"]);
      for (const [x, value] of counted) {
        total.add({ process: x, x }, value);
        seconds.observe(value, { x });
      }
      const text = await metrics.render();
      parseExposition(text);
      const merged = parseExposition(mergeMetrics(new Map([[process, text], ["other", text]])));
      ok(merged.get("a_total")!.samples.every(({ labels }) => [process, "other"].includes(labels.process!)));
      deepEqual(lintExposition(merged.values()), []);
    },
  ));
});
