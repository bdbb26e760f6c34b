/** Who the server believes to speak to. */
import { equal, match, ok as assert } from "node:assert/strict";
import { createHash } from "node:crypto";
import { X509Certificate } from "node:crypto";
import { until } from "../supervisor/supervised.ts";
import { serve } from "./backend.ts";
import { Gateway } from "./gateway.ts";
import { createAuthority } from "@k3ts/tools/pki";
import { RawConnection } from "./raw.ts";

Deno.test("a certificate of the cluster's CA names who asks", async () => {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket);
  using connection = gateway.connect(gateway.admin);
  const identity = JSON.parse((await connection.get("/whoami")).text);
  equal(identity.commonName, "admin");
  equal(identity.organizations.join(), "system:masters");
  equal(identity.certificateRefused, false);
  match(identity.remoteAddress, /^127\.0\.0\.1:\d+$/);
  const der = new X509Certificate(gateway.admin.cert).raw;
  equal(identity.certificateSha256, createHash("sha256").update(der).digest("hex"));
});

Deno.test("without a certificate nobody is named, whatever the headers claim", async () => {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket);
  const { headers: forged } = await adminHeaders(gateway);
  const claims = {
    "k3ts-identity": forged,
    "K3ts-Identity-2": forged,
    "k3ts-splice-node": "n",
    "k3ts-ask": "splice",
    "x-remote-user": "admin",
    "X-Remote-Group": "system:masters",
    "x-remote-extra-a": "b",
  };
  using connection = gateway.connect();
  const lowered = Object.fromEntries(Object.entries(claims).map(([name, value]) => [name.toLowerCase(), value]));
  for (const path of ["/whoami", "/headers"]) {
    const seen = JSON.parse((await connection.get(path, lowered)).text);
    if (path === "/whoami") equal(seen.commonName + seen.organizations.join() + seen.certificateRefused, "false");
    else for (const name of Object.keys(lowered)) assert(name === "k3ts-identity" || !(name in seen), name);
  }

  // Over HTTP/1.1, where a header can also be named as one of the connection's, which proxies remove.
  using raw = await RawConnection.open(gateway.port, gateway.authority.cert);
  const lines = Object.entries(claims).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  await raw.write(`GET /whoami HTTP/1.1\r\nhost: a\r\nconnection: close, k3ts-identity\r\n${lines}\r\n`);
  await raw.readUntil("\r\n\r\n");
  const identity = JSON.parse(await raw.readUntil("}"));
  equal(identity.commonName, "");
  match(identity.remoteAddress, /^127\.0\.0\.1:/);
});

Deno.test("a certificate that the CA has not signed, or that is too old, is answered and named refused", async () => {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket);
  const stranger = await createAuthority("k3ts");
  for (
    const credentials of [
      await stranger.issue("CN=admin, O=system:masters"),
      await gateway.authority.issue("CN=admin, O=system:masters", { expired: true }),
      await gateway.authority.issue("CN=admin, O=system:masters", { serving: true }),
    ]
  ) {
    using connection = gateway.connect(credentials);
    const identity = JSON.parse((await connection.get("/whoami")).text);
    equal(identity.certificateRefused, true);
    equal(identity.commonName + identity.organizations.join() + identity.certificateSha256, "");
  }
});

Deno.test("new certificates are used by new connections, and open ones stay", async () => {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket);
  using before = gateway.connect(gateway.admin);
  equal((await before.get("/whoami")).status, 200);
  await gateway.writeCertificate("CN=renewed");
  await gateway.reload();
  await until("the new certificate is shown", async () => {
    const options = { hostname: "localhost", port: gateway.port, caCerts: [gateway.authority.cert] };
    using after = gateway.connect(gateway.admin);
    using connection = await Deno.connectTls(options);
    await connection.handshake();
    await after.get("/whoami");
    const socket = after.session.socket as unknown as { getPeerCertificate(): { subject?: { CN?: string } } };
    return socket.getPeerCertificate().subject?.CN === "renewed";
  });
  equal((await before.get("/whoami")).status, 200);
});

Deno.test("renewed files are noticed, and a stream that is open goes on", async () => {
  await using gateway = await Gateway.start();
  const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>>();
  await using _server = serve(
    gateway.serverSocket,
    (_request, path) => path === "/log" ? new Response(readable) : undefined,
  );
  const writer = writable.getWriter();
  using raw = await RawConnection.open(gateway.port, gateway.authority.cert);
  await raw.write("GET /log HTTP/1.1\r\nhost: a\r\n\r\n");
  await writer.write(new TextEncoder().encode("before\n"));
  await raw.readUntil("before\n");
  const stranger = await createAuthority("another");
  const { cert, key } = await stranger.issue("CN=server", { serving: true });
  await Deno.writeTextFile(gateway.supervised.path("pki/server.key"), key);
  await Deno.writeTextFile(gateway.supervised.path("pki/server.crt"), cert);
  await until("new connections see it", async () => {
    using connection = await RawConnection.open(gateway.port, stranger.cert);
    await connection.write("GET /whoami HTTP/1.1\r\nhost: a\r\n\r\n");
    return /200/.test(await connection.readUntil("\r\n"));
  });
  await writer.write(new TextEncoder().encode("after\n"));
  await raw.readUntil("after\n");
  await writer.close();
});

async function adminHeaders(gateway: Gateway): Promise<{ headers: string }> {
  using connection = gateway.connect(gateway.admin);
  return { headers: JSON.parse((await connection.get("/headers")).text)["k3ts-identity"] };
}
