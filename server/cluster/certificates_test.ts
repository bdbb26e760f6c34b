import { deepEqual as assertEquals, ok as assert, rejects } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { CertificateAuthority, readCertificate } from "./certificates.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");

async function anAuthority(): Promise<CertificateAuthority> {
  return await CertificateAuthority.open(await CertificateAuthority.create("k3ts-ca", () => NOW), () => NOW);
}

Deno.test("a server certificate answers to its names and addresses and chains to the CA", async () => {
  const ca = await anAuthority();
  const { certificate } = await ca.issueServer("k3ts-server", ["localhost", "127.0.0.1"]);
  const leaf = new X509Certificate(certificate);
  assertEquals(leaf.checkHost("localhost"), "localhost");
  assertEquals(leaf.checkIP("127.0.0.1"), "127.0.0.1");
  assert(leaf.verify(new X509Certificate(ca.pem).publicKey));
  assertEquals(readCertificate(certificate).names, ["localhost", "127.0.0.1"]);
});

Deno.test("a signed request gets the subject that we choose, not the one that it asks for", async () => {
  const ca = await anAuthority();
  const alg = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(alg, true, ["sign", "verify"]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: "O=system:masters,CN=admin",
    keys,
    signingAlgorithm: alg,
  });
  const pem = await ca.signClientRequest(new Uint8Array(request.rawData), {
    user: "system:node:a",
    groups: ["system:nodes"],
  });
  assertEquals(new X509Certificate(pem).subject, "O=system:nodes\nCN=system:node:a");
});

Deno.test("a request whose signature does not verify is refused", async () => {
  const ca = await anAuthority();
  const alg = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(alg, true, ["sign", "verify"]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ name: "CN=a", keys, signingAlgorithm: alg });
  const bytes = new Uint8Array(request.rawData);
  bytes[bytes.length - 1]! ^= 1;
  await rejects(ca.signClientRequest(bytes, { user: "system:node:a", groups: [] }));
});
