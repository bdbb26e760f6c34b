import { equal, match, ok } from "node:assert/strict";
import { createRouterTransport } from "@connectrpc/connect";
import { type KeyPair, readKeyPair, type RenewableTransport, validityOf } from "@k3ts/client";
import { createLog } from "@k3ts/client/telemetry";
import { NodeService } from "@k3ts/proto";
import "reflect-metadata";
import { PemConverter, Pkcs10CertificateRequest, X509CertificateGenerator } from "@peculiar/x509";
import { keepCertificate } from "./certificate_renewal.ts";
import { pathsOf } from "./paths.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HOUR_MS = 3_600_000;

Deno.test("a certificate is exchanged when it is due, for a key of its own, and used from then on", async () => {
  await using node = await startNode({ age: 2 * HOUR_MS, life: 2.5 * HOUR_MS });
  const renewed = await node.used;
  equal(node.calls, 1);
  const stored = await readKeyPair(`${node.folder}/node/node`);
  equal(stored?.certificate, renewed.certificate);
  ok(stored.key !== node.first.key);
  ok(validityOf(renewed.certificate).notAfter > Date.now() + HOUR_MS);
});

Deno.test("a server that cannot sign now is asked again", async () => {
  await using node = await startNode({ age: 2 * HOUR_MS, life: 2.5 * HOUR_MS, failures: 1 });
  await node.used;
  equal(node.calls, 2);
  match(node.said.join("\n"), /Cannot renew the node's certificate yet/);
});

Deno.test("a node whose certificate has ended joins again as soon as somebody brings a token", async () => {
  const again = await makePair(0, HOUR_MS, await newKeys());
  await using node = await startNode({
    age: 2 * HOUR_MS,
    life: HOUR_MS,
    failures: Infinity,
    rejoins: [undefined, again],
  });
  equal((await node.used).certificate, again.certificate);
  match(node.said.join("\n"), /it ended .*k3ts token create --node NAME/);
});

interface Case {
  /** Of the first certificate, ms. */
  age: number;
  life: number;
  /** Calls that fail first. */
  failures?: number;
  /** What joining again gives, time after time. */
  rejoins?: (KeyPair | undefined)[];
}

async function startNode({ age, life, failures = 0, rejoins = [] }: Case) {
  const folder = await Deno.makeTempDir({ prefix: "k3ts-renewal-" });
  await Deno.mkdir(`${folder}/node`);
  const ending = new AbortController();
  const used = Promise.withResolvers<KeyPair>();
  const said: string[] = [];
  const state = { calls: 0 };
  const transport = createRouterTransport(({ service }) => {
    service(NodeService, {
      async renewCertificate({ certificateRequest }) {
        state.calls++;
        if (state.calls <= failures) throw new Error("not now");
        const request = new Pkcs10CertificateRequest(new Uint8Array(certificateRequest));
        return { certificate: await sign(await request.publicKey.export(), 0, 3 * HOUR_MS) };
      },
    });
  });
  const server: RenewableTransport = {
    ...transport,
    renew: (pair) => used.resolve(pair),
    reconnect: () => {},
    [Symbol.dispose]: () => {},
  };
  const first = await makePair(age, life, await newKeys());
  const keeping = keepCertificate({
    paths: pathsOf(folder),
    nodeName: "n1",
    server,
    rejoin: () => Promise.resolve(rejoins.shift()),
    log: createLog((line) => said.push(line), Date.now),
    now: Date.now,
    random: () => 0.5,
    signal: ending.signal,
  }, first.certificate);
  return {
    folder,
    first,
    said,
    used: used.promise,
    get calls() {
      return state.calls;
    },
    async [Symbol.asyncDispose]() {
      ending.abort();
      await keeping;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

const authority = await newKeys();

async function makePair(age: number, life: number, keys: CryptoKeyPair): Promise<KeyPair> {
  const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { certificate: await sign(keys.publicKey, age, life), key: PemConverter.encode(key, "PRIVATE KEY") };
}

async function sign(publicKey: CryptoKey, age: number, life: number): Promise<string> {
  const notBefore = Date.now() - age;
  const certificate = await X509CertificateGenerator.create({
    subject: "CN=system:node:n1",
    issuer: "CN=ca",
    notBefore: new Date(notBefore),
    notAfter: new Date(notBefore + life),
    publicKey,
    signingKey: authority.privateKey,
    signingAlgorithm: ALGORITHM,
  });
  return certificate.toString("pem");
}

async function newKeys(): Promise<CryptoKeyPair> {
  return await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as CryptoKeyPair;
}
