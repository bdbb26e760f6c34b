/** All kinds of calls over HTTP/2 through the gateway, in both protocols that clients use. */
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { type OpenTransport, transportSuite } from "@k3ts/proto/testing";
import { startBackend } from "./backend_process.ts";
import { Gateway } from "./gateway.ts";

const PROTOCOLS = { "Connect over HTTP/2": createConnectTransport, "gRPC": createGrpcTransport };

const backends = new WeakMap<OpenTransport, Deno.ChildProcess>();

for (const [name, create] of Object.entries(PROTOCOLS)) {
  transportSuite(`${name} through the gateway`, async () => {
    const gateway = await Gateway.start();
    const backend = await startBackend(gateway.serverSocket);
    const sessionManager = gateway.sessions(gateway.admin);
    const transport: Transport = create({ baseUrl: gateway.url, httpVersion: "2", sessionManager });
    const opened = {
      transport,
      async close() {
        sessionManager.abort();
        await gateway[Symbol.asyncDispose]();
        kill(backend);
        await backend.status;
      },
    };
    backends.set(opened, backend);
    return opened;
  }, {
    clientStreaming: true,
    // Windows and buffers of two connections and of the gateway between them.
    aheadMax: 64,
    vanish: (opened) => kill(backends.get(opened)),
  });
}

function kill(backend: Deno.ChildProcess | undefined): void {
  try {
    backend?.kill("SIGKILL");
  } catch { /* It is gone already. */ }
}
