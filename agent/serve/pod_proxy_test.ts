/** What a pod's server says, as a reader behind the API server gets it. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { sendAnswer } from "./answer.ts";
import { podAnswer } from "./pod_proxy.ts";
import type { Targets } from "./targets.ts";

const PREFIX = "/api/v1/namespaces/n/pods/p:web/proxy";
const PAGE = "<a href='/x'>/x</a>";

async function listening(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

async function proxied(handler: (request: IncomingMessage, response: ServerResponse) => void) {
  const targets = { address: () => "127.0.0.1" } as unknown as Targets;
  const pod = await listening(handler);
  const agent = await listening((request, response) => {
    const path = `/podProxy/n/p/http/${portOf(pod)}/${encodeURIComponent(PREFIX)}${request.url}`;
    podAnswer(targets, request, new URL(path, "http://agent"), new AbortController().signal)
      .then((answer) => sendAnswer(response, answer)).catch(() => response.destroy());
  });
  return {
    host: () => `127.0.0.1:${portOf(pod)}`,
    get: (path: string, init: RequestInit = {}) =>
      fetch(`http://127.0.0.1:${portOf(agent)}${path}`, { redirect: "manual", ...init }),
    async [Symbol.asyncDispose]() {
      for (const server of [agent, pod]) {
        const closed = new Promise((resolve) => server.close(resolve));
        server.closeAllConnections();
        await closed;
      }
    },
  };
}

Deno.test("links of pages and redirects lead to where the reader is, packed or not; all else is as it was", async () => {
  await using pod = await proxied((request, response) => {
    const page = { "content-type": "text/html; charset=utf-8" };
    if (request.url === "/page") response.writeHead(200, page).end(PAGE);
    else if (request.url === "/packed") {
      response.writeHead(200, { ...page, "content-encoding": "gzip" }).end(gzipSync(PAGE));
    } else if (request.url === "/away") response.writeHead(302, { location: "/there/" }).end();
    else response.writeHead(200, { "content-type": "text/plain", "content-length": PAGE.length }).end(PAGE);
  });
  const led = PAGE.replace("'/x'", `'${PREFIX}/x'`);
  for (const path of ["/page", "/packed"]) equal(await (await pod.get(path)).text(), led, path);
  const away = await pod.get("/away");
  deepEqual([away.status, away.headers.get("location")], [302, `${PREFIX}/there/`]);
  const text = await pod.get("/text");
  deepEqual([await text.text(), text.headers.get("content-length")], [PAGE, String(PAGE.length)]);
  const head = await pod.get("/packed", { method: "HEAD" });
  deepEqual([head.status, await head.text()], [200, ""]);
});

Deno.test("a page that breaks off does not pass for a whole one", async () => {
  await using pod = await proxied((request, response) => {
    const packed = request.url === "/packed" ? { "content-encoding": "gzip" } : {};
    response.writeHead(200, { "content-type": "text/html", ...packed });
    const data = gzipSync("x".repeat(100_000));
    response.write(request.url === "/packed" ? data.subarray(0, data.length / 2) : "<a href=", () => {
      if (request.url === "/short") response.end();
      else response.destroy();
    });
  });
  for (const path of ["/packed", "/cut"]) await rejects((async () => await (await pod.get(path)).text())(), path);
  equal(await (await pod.get("/short")).text(), "<a href=");
});
