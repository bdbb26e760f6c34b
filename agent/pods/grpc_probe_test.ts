import { deepEqual as assertEquals, equal, match } from "node:assert/strict";
import { probe } from "./probe.ts";

const TARGET = { container: { name: "c" }, address: "127.0.0.1", exec: () => Promise.reject(new Error("no exec")) };

/** A server of the health protocol, over HTTP/2 without TLS; as much of it as a probe sees. */
async function withServer(
  answer: (service: Uint8Array) => Response | Promise<Response>,
  task: (port: number) => Promise<void>,
): Promise<void> {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    equal(new URL(request.url).pathname, "/grpc.health.v1.Health/Check");
    equal(request.headers.get("content-type"), "application/grpc");
    return await answer(new Uint8Array(await request.arrayBuffer()));
  });
  try {
    await task(server.addr.port);
  } finally {
    await server.shutdown();
  }
}

const state = (...message: number[]) =>
  new Response(new Uint8Array([0, 0, 0, 0, message.length, ...message]), {
    headers: { "content-type": "application/grpc" },
  });
const status = (code: number) =>
  new Response(null, { headers: { "content-type": "application/grpc", "grpc-status": String(code) } });

const ask = (port: number, service?: string) =>
  probe({ grpc: { port, ...(service !== undefined && { service }) }, timeoutSeconds: 5 }, TARGET);

Deno.test("a service that serves is well, and is asked for by its name", async () => {
  const asked: string[] = [];
  await withServer((bytes) => {
    asked.push(new TextDecoder().decode(bytes.subarray(7)));
    return state(8, 1);
  }, async (port) => {
    equal((await ask(port, "shop")).result, "success");
    equal((await ask(port)).result, "success");
  });
  assertEquals(asked, ["shop", ""]);
});

Deno.test("what does not serve says so, and what does not speak the protocol is told from it", async () => {
  const of = async (answer: () => Response) => {
    let message = "";
    await withServer(answer, async (port) => {
      const got = await ask(port);
      equal(got.result, "failure");
      message = got.message;
    });
    return message;
  };
  match(await of(() => state(8, 2)), /service unhealthy \(responded with "NOT_SERVING"\)/);
  match(await of(() => state()), /"UNKNOWN"/);
  match(await of(() => status(12)), /does not implement the grpc health protocol/);
  match(await of(() => status(5)), /health rpc probe failed/);
  match(await of(() => new Response("what?", { status: 404 })), /does not implement/);
});

Deno.test("nobody there, and nobody that answers, are failures too", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const late = await probe({ grpc: { port }, timeoutSeconds: 1 }, TARGET);
  equal(late.result, "failure");
  match(late.message, /timeout/);
  listener.close();
  match((await ask(port)).message, /connection refused/);
});
