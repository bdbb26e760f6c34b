import { deepEqual, equal, ok } from "node:assert/strict";
import { serveFrames, streamChannel } from "@k3ts/proto/frames";
import { MetricsService } from "@k3ts/proto";
import { gatherMetrics, metricsAt } from "./gather.ts";

const upOf = (text: string) =>
  [...text.matchAll(/^up\{process="(\w+)"\} (\d)$/gm)].map(([, name, up]) => `${name} ${up}`);

Deno.test("who does not answer in time, or not at all, is left out, and that is told", async () => {
  const text = await gatherMetrics({
    well: () => Promise.resolve("# TYPE a gauge\na 1\n"),
    broken: () => Promise.reject(new Error("gone")),
    // Forgets its signal too.
    silent: () => new Promise(() => {}),
  }, 50);
  ok(text.startsWith('# TYPE a gauge\na{process="well"} 1\n'), text);
  deepEqual(upOf(text), ["well 1", "broken 0", "silent 0"]);
});

Deno.test("a process is asked on its socket, and one that is not there does not answer", async () => {
  const folder = await Deno.makeTempDir();
  await using _folder = { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
  const path = `${folder}/p.sock`;
  equal(upOf(await gatherMetrics({ native: metricsAt(path) }))[0], "native 0");
  using listener = Deno.listen({ transport: "unix", path });
  const serving = listener.accept().then((stream) =>
    serveFrames(
      streamChannel(stream),
      (router) => router.service(MetricsService, { getMetrics: () => ({ text: "# TYPE b gauge\nb 2\n" }) }),
    )
  );
  const text = await gatherMetrics({ native: metricsAt(path) });
  ok(text.includes('b{process="native"} 2\n'), text);
  deepEqual(upOf(text), ["native 1"]);
  await serving;
});
