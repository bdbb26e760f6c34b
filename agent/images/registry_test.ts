import { equal, rejects } from "node:assert/strict";
import type { ImageReference } from "./reference.ts";
import { endpointsFor } from "./registries.ts";
import { Registry } from "./registry.ts";

const ANSWER_MS_MAX = 200;

/** Asks a registry on loopback for a manifest. @param answer given a promise that only resolves when all is over */
async function ask(
  answer: (request: Request, silence: Promise<Response>) => Response | Promise<Response>,
): Promise<Uint8Array> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const options = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
  const server = Deno.serve(options, (request) => answer(request, promise.then(() => new Response())));
  try {
    const reference: ImageReference = { registry: `127.0.0.1:${server.addr.port}`, repository: "x", tag: "1" };
    using registry = await Registry.open(reference, endpointsFor(reference, {})[0]!, [], ANSWER_MS_MAX);
    return (await registry.manifest("1", new AbortController().signal)).bytes;
  } finally {
    resolve();
    await server.shutdown();
  }
}

const isLate = ({ cause, message }: Error) =>
  /must answer within 200 ms/.test(`${message} ${cause instanceof Error ? cause.message : ""}`);

Deno.test("a registry that does not begin to answer is left", async () => {
  await rejects(ask((_, silence) => silence), isLate);
});

Deno.test("so is one whose tokens do not come", async () => {
  const answer = (request: Request, silence: Promise<Response>) => {
    const { host, pathname } = new URL(request.url);
    const challenge = { "www-authenticate": `Bearer realm="http://${host}/token"` };
    return pathname === "/token" ? silence : new Response(null, { status: 401, headers: challenge });
  };
  await rejects(ask(answer), isLate);
});

Deno.test("what has begun may take longer", async () => {
  const slow = () =>
    new ReadableStream<Uint8Array>({
      async start(to) {
        to.enqueue(new TextEncoder().encode("{"));
        await new Promise((resolve) => setTimeout(resolve, 2 * ANSWER_MS_MAX));
        to.enqueue(new TextEncoder().encode("}"));
        to.close();
      },
    });
  equal(new TextDecoder().decode(await ask(() => new Response(slow()))), "{}");
});
