import { equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { currentTrace, span, traced, untraced, withinTrace } from "./trace.ts";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

Deno.test("where nobody traces, work is done and nothing else", async () => {
  equal(withinTrace(TRACE, currentTrace), "");
  equal(untraced(() => 1), 1);
  equal(await span("a", {}, () => Promise.resolve(2)), 2);
  equal(await traced(TRACE, "a", {}, () => Promise.resolve(3)), 3);
});

Deno.test("where somebody traces, work is a part of the trace that it is given", async () => {
  const script = `
    import { currentTrace, span, untraced, withinTrace } from ${JSON.stringify(import.meta.resolve("./trace.ts"))};
    const of = (trace) => trace.split("-")[1] ?? "";
    await withinTrace(${JSON.stringify(TRACE)}, async () => {
      const inner = await span("a", {}, () => Promise.resolve(currentTrace()));
      console.log(of(currentTrace()) === of(inner), of(inner), untraced(currentTrace) === "", currentTrace() !== inner);
    });`;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, script);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--config", CONFIG, file],
    env: { OTEL_DENO: "true", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" },
  }).output();
  await Deno.remove(file);
  const said = new TextDecoder().decode(stdout).trim();
  equal(said, "true 0af7651916cd43dd8448eb211c80319c true true", new TextDecoder().decode(stderr));
});
