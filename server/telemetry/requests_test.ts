import { equal, match, ok } from "node:assert/strict";
import { createLog, Metrics } from "@k3ts/client/telemetry";
import { countRequests } from "./requests.ts";

/** @returns what is counted when these are asked, as `METHOD path` */
async function counted(status: number, ...requests: string[]): Promise<string> {
  const metrics = new Metrics();
  const isServed = (apiVersion: string, resource: string, subresource: string) =>
    apiVersion === "v1" && resource === "pods" && ["", "log"].includes(subresource);
  const answer = () => new Response(null, { status });
  const handler = countRequests(answer, isServed, metrics, createLog(() => {}, () => 0));
  for (const request of requests) {
    const [method, path] = request.split(" ");
    await handler(new Request(`http://server${path}`, { method }));
  }
  return (await metrics.render()).split("\n").filter((line) =>
    /^(apiserver_request|k3ts_rpc_requests)_total/.test(line)
  )
    .join("\n");
}

Deno.test("a request is counted by what it is about", async () => {
  equal(
    await counted(200, "GET /api/v1/namespaces/a/pods?watch=1", "GET /api/v1/namespaces/a/pods/b/log"),
    [
      'apiserver_request_total{verb="WATCH",group="",version="v1",resource="pods",subresource="",scope="namespace",code="200"} 1',
      'apiserver_request_total{verb="CONNECT",group="",version="v1",resource="pods",subresource="log",scope="resource",code="200"} 1',
    ].join("\n"),
  );
  match(await counted(200, "POST /k3ts.v1.ResourceService/List"), /service="k3ts.v1.ResourceService",method="List"/);
});

Deno.test("no stranger makes labels, whatever is asked and answered", async () => {
  for (const status of [200, 401, 403, 404]) {
    const lines = await counted(
      status,
      "GET /api/v1/namespaces/a/invented/b",
      "GET /apis/invented.example.com/v1/invented",
      "GET /api/v1/namespaces/a/pods/b/invented",
      "INVENTED /api/v1/namespaces/a/pods",
      "POST /k3ts.v1.StreamService/Invented",
      "POST /k3ts.v1.InventedService/Invented",
    );
    ok(!/invented/i.test(lines), lines);
  }
});
