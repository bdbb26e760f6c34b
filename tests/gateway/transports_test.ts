/** All kinds of calls over HTTP/2 through the gateway, in both protocols that clients use. */
import { type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { transportSuite } from "@k3ts/proto/testing";
import { serve } from "./backend.ts";
import { Gateway } from "./gateway.ts";

const PROTOCOLS = { "Connect over HTTP/2": createConnectTransport, "gRPC": createGrpcTransport };

for (const [name, create] of Object.entries(PROTOCOLS)) {
  transportSuite(`${name} through the gateway`, async () => {
    const gateway = await Gateway.start();
    const server = serve(gateway.serverSocket);
    const sessionManager = gateway.sessions(gateway.admin);
    const transport: Transport = create({ baseUrl: gateway.url, httpVersion: "2", sessionManager });
    return {
      transport,
      async close() {
        sessionManager.abort();
        await gateway[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
    // Windows and buffers of two connections and of the gateway between them.
  }, { clientStreaming: true, aheadMax: 64 });
}
