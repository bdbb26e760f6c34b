import "reflect-metadata"; // @peculiar/x509 resolves its parts with it
import { equal, throws } from "node:assert/strict";
import { Pkcs10CertificateRequest } from "@peculiar/x509";
import { makeRequest, parseToken } from "./join.ts";

Deno.test("a token has the hash of the CA and the secret for the server", () => {
  const hash = "ab".repeat(32);
  const token = parseToken(`K3TS1.${hash}.id.secret\n`);
  equal(token.caSha256, hash);
  equal(token.secret, "id.secret");
  throws(() => parseToken("K3TS1.ab.id.secret"), /must have the form/);
});

Deno.test("the request to certify a node names it and proves its key", async () => {
  const { request, key } = await makeRequest("n1");
  const parsed = new Pkcs10CertificateRequest(request);
  equal(parsed.subject, "CN=system:node:n1, O=system:nodes");
  equal(await parsed.verify(), true);
  equal(key.startsWith("-----BEGIN PRIVATE KEY-----"), true);
  // The same key again, for a machine that has to ask again.
  const again = await makeRequest("n1", key);
  const parsedAgain = new Pkcs10CertificateRequest(again.request);
  equal(await parsedAgain.verify(), true);
  equal(
    new Uint8Array(parsedAgain.publicKey.rawData).toHex(),
    new Uint8Array(parsed.publicKey.rawData).toHex(),
  );
  equal(again.key, key);
});
