import { deepEqual as assertEquals, ok as assert, rejects } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { CertificateAuthority, namesOf } from "./certificates.ts";

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
  assertEquals(namesOf(certificate), ["localhost", "127.0.0.1"]);
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

Deno.test("keys that are too weak, or too much work for every handshake, are refused", async () => {
  const ca = await anAuthority();
  const sign = async (alg: RsaHashedKeyGenParams | EcKeyGenParams, hash: string) => {
    const keys = await crypto.subtle.generateKey(alg, true, ["sign", "verify"]) as CryptoKeyPair;
    const signingAlgorithm = { ...alg, hash } as EcdsaParams;
    const request = await x509.Pkcs10CertificateRequestGenerator.create({ name: "CN=a", keys, signingAlgorithm });
    return await ca.signClientRequest(new Uint8Array(request.rawData), { user: "system:node:a", groups: [] });
  };
  const rsa = (modulusLength: number) => ({
    name: "RSASSA-PKCS1-v1_5",
    modulusLength,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: "SHA-256",
  });
  await rejects(sign(rsa(1024), "SHA-256"), /its key must be .*: it is RSASSA-PKCS1-v1_5 1024/);
  await sign(rsa(2048), "SHA-256");
  await sign({ name: "ECDSA", namedCurve: "P-384" }, "SHA-384");
});

Deno.test("what is no certificate request is refused in words", async () => {
  const ca = await anAuthority();
  const subject = { user: "system:node:a", groups: [] };
  for (const bytes of [new Uint8Array(), new Uint8Array([1, 2, 3]), new TextEncoder().encode("-----BEGIN")]) {
    await rejects(ca.signClientRequest(bytes, subject), /must be PKCS #10 in DER/);
  }
});
