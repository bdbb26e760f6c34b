import { deepEqual as assertEquals, equal, match } from "node:assert/strict";
import type { HTTPGetAction } from "@k3ts/model/objects";
import { probe } from "./probe.ts";

const TARGET = { container: { name: "c" }, address: "127.0.0.1", exec: () => Promise.reject(new Error("no exec")) };

async function get(
  answer: (request: Request) => Response | Promise<Response>,
  over: Partial<HTTPGetAction> = {},
  timeoutSeconds = 5,
) {
  const asked: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    asked.push(new URL(request.url).pathname);
    return answer(request);
  });
  try {
    return { ...await probe({ httpGet: { port: server.addr.port, ...over }, timeoutSeconds }, TARGET), asked };
  } finally {
    await server.shutdown();
  }
}

Deno.test("from 200 to 399 is well", async () => {
  for (const [status, result] of [[200, "success"], [204, "success"], [400, "failure"], [500, "failure"]] as const) {
    const got = await get(() => new Response(null, { status }));
    equal(got.result, result, String(status));
    if (result === "failure") equal(got.message, `HTTP probe failed with statuscode: ${status}`);
  }
});

Deno.test("a redirect is followed on the same host; to another it is a warning", async () => {
  const to = (location: string) => new Response("elsewhere", { status: 302, headers: { location } });
  const own = await get((request) => request.url.endsWith("/end") ? new Response("ok") : to("/end"));
  equal(own.result, "success");
  assertEquals(own.asked, ["/", "/end"]);
  const other = await get(() => to("http://192.0.2.1/"));
  assertEquals([other.result, other.message], ["warning", "Probe terminated redirects, Response body: elsewhere"]);
  const round = await get(() => to("/"));
  equal(round.result, "failure");
  match(round.message, /stopped after 10 redirects/);
});

Deno.test("headers are sent as they are given, the host among them", async () => {
  let seen = new Headers();
  const httpHeaders = [{ name: "Host", value: "shop.example" }, { name: "X-A", value: "b" }, {
    name: "Accept",
    value: "",
  }];
  await get((request) => {
    seen = request.headers;
    return new Response();
  }, { httpHeaders, path: "/a?b=c" });
  assertEquals([seen.get("host"), seen.get("x-a"), seen.get("accept")], ["shop.example", "b", null]);
  equal(seen.get("user-agent"), "kube-probe/1.35");
});

Deno.test("who does not answer in time has failed", async () => {
  const late = await get(() => new Promise((resolve) => setTimeout(() => resolve(new Response()), 1500)), {}, 1);
  equal(late.result, "failure");
  match(late.message, /context deadline exceeded/);
});
