import { equal, rejects } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { create, toBinary } from "@bufbuild/protobuf";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { testApiServer } from "@k3ts/api/testing";
import { NodeService, VerifiedIdentitySchema } from "@k3ts/proto";
import { IDENTITY_HEADER, userOf } from "../identity.ts";
import { CertificateAuthority } from "./certificates.ts";
import { renewCertificate } from "./renew_certificate.ts";

Deno.test("a node renews its own certificate, and nobody else anything", async () => {
  await using server = await testApiServer();
  const ca = await CertificateAuthority.open(await CertificateAuthority.create("k3ts-ca", Date.now), Date.now, 60_000);
  const service = renewCertificate({ ca, identify: (context) => userOf(context.requestHeader, server) });
  const client = createClient(
    NodeService,
    createRouterTransport((router) => router.service(NodeService, service)),
  );
  const certificateRequest = await makeRequest("O=system:masters,CN=admin");
  const renew = (commonName: string, organizations: string[], headers: Record<string, string> = {}) => {
    const identity = toBinary(VerifiedIdentitySchema, create(VerifiedIdentitySchema, { commonName, organizations }))
      .toBase64({ alphabet: "base64url" });
    return client.renewCertificate({ certificateRequest }, { headers: { [IDENTITY_HEADER]: identity, ...headers } });
  };
  const { certificate } = await renew("system:node:n1", ["system:nodes"]);
  const { subject, validTo } = new X509Certificate(certificate);
  equal(subject, "O=system:nodes\nCN=system:node:n1");
  equal(Date.parse(validTo) <= Date.now() + 60_000, true);
  const refused = (code: Code) => (error: unknown) => ConnectError.from(error).code === code;
  await rejects(renew("admin", ["system:masters"]), refused(Code.PermissionDenied));
  await rejects(renew("system:node:n1", []), refused(Code.PermissionDenied));
  await rejects(renew("system:node:", ["system:nodes"]), refused(Code.PermissionDenied));
  await rejects(renew("", []), refused(Code.PermissionDenied));
  const asNode = { "impersonate-user": "system:node:n1", "impersonate-group": "system:nodes" };
  await rejects(renew("admin", ["system:masters"], asNode), refused(Code.PermissionDenied));
  const identity = toBinary(
    VerifiedIdentitySchema,
    create(VerifiedIdentitySchema, { commonName: "system:node:n1", organizations: ["system:nodes"] }),
  ).toBase64({ alphabet: "base64url" });
  for (const bytes of [new Uint8Array(), new Uint8Array([1, 2]), new Uint8Array(100_000)]) {
    await rejects(
      client.renewCertificate({ certificateRequest: bytes }, { headers: { [IDENTITY_HEADER]: identity } }),
      refused(Code.InvalidArgument),
    );
  }
});

async function makeRequest(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const alg = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(alg, true, ["sign", "verify"]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: alg });
  return new Uint8Array(request.rawData);
}
