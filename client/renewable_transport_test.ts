import { equal, ok, rejects } from "node:assert/strict";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { EchoService } from "@k3ts/proto";
import { type OpenTransport, transportSuite } from "@k3ts/proto/testing";
import { pki, TestServer } from "./_tls_server.ts";
import { createRenewableTransport } from "./renewable_transport.ts";

const servers = new WeakMap<OpenTransport, TestServer>();

transportSuite("HTTP/2 with a certificate that was renewed", async () => {
  const server = await TestServer.start();
  const transport = createRenewableTransport({ url: server.url, ...pki.client });
  transport.renew(pki.client);
  const opened = {
    transport,
    async close() {
      transport[Symbol.dispose]();
      await server.stop();
    },
  };
  servers.set(opened, server);
  return opened;
}, { clientStreaming: true, aheadMax: 64, vanish: (opened) => servers.get(opened)?.stop() });

Deno.test("a stream that is open when the certificate is renewed goes on, and its connection ends with it", async () => {
  const server = await TestServer.start();
  using transport = createRenewableTransport({ url: server.url, ...pki.client });
  const client = createClient(EchoService, transport);
  const messages = client.repeat({ times: 3, delayMs: 50 })[Symbol.asyncIterator]();
  equal((await messages.next()).done, false);
  equal(server.connections, 1);
  transport.renew(pki.client);
  await client.say({});
  equal(server.connections, 2);
  for (let left = 2; left > 0; left--) equal((await messages.next()).done, false);
  equal((await messages.next()).done, true);
  await turnsUntil(() => server.connections === 1);
  await client.say({});
  await server.stop();
});

Deno.test("calls that fail, are aborted or are left unread keep no old connection", async () => {
  const server = await TestServer.start();
  using transport = createRenewableTransport({ url: server.url, ...pki.client });
  const client = createClient(EchoService, transport);
  const aborting = new AbortController();
  const left = client.repeat({ times: 1_000_000, sizeBytes: 100 }, { signal: aborting.signal })[Symbol.asyncIterator]();
  await left.next();
  await rejects(Array.fromAsync(client.repeat({ times: 5, failAfter: 1 })));
  transport.renew(pki.client);
  await client.say({});
  equal(server.connections, 2);
  aborting.abort();
  await rejects(left.next(), (error) => ConnectError.from(error).code === Code.Canceled);
  await turnsUntil(() => server.connections === 1);
  await server.stop();
});

/** Lets the event loop turn until something is so. */
async function turnsUntil(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !holds(); turn++) await new Promise((resolve) => setTimeout(resolve, 10));
  ok(holds());
}
