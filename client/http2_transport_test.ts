import { equal, rejects } from "node:assert/strict";
import { createClient } from "@connectrpc/connect";
import { EchoService } from "@k3ts/proto";
import { type OpenTransport, transportSuite } from "@k3ts/proto/testing";
import { issue, pki, TestServer } from "./_tls_server.ts";
import { createHttp2Transport } from "./http2_transport.ts";

const servers = new WeakMap<OpenTransport, TestServer>();

transportSuite("HTTP/2 over TLS", async () => {
  const server = await TestServer.start();
  const transport = createHttp2Transport({ url: server.url, ...pki.client });
  const opened = {
    transport,
    async close() {
      transport.close();
      await server.stop();
    },
  };
  servers.set(opened, server);
  return opened;
}, { clientStreaming: true, aheadMax: 64, vanish: (opened) => servers.get(opened)?.stop() });

Deno.test("a server that another authority has signed is refused", async () => {
  const server = await TestServer.start();
  const other = await issue();
  using transport = createHttp2Transport({ url: server.url, caCertificate: other.client.caCertificate });
  await rejects(createClient(EchoService, transport).say({}), /invalid peer certificate/);
  await server.stop();
});

Deno.test("a token reaches the server", async () => {
  const server = await TestServer.start();
  using transport = createHttp2Transport({ url: server.url, ...pki.client, token: "secret" });
  await createClient(EchoService, transport).say({});
  equal(server.authorization, "Bearer secret");
  await server.stop();
});
