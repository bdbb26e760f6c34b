import { deepEqual, equal, ok } from "node:assert/strict";
import "reflect-metadata";
import { PemConverter, X509CertificateGenerator } from "@peculiar/x509";
import { type KeyPair, readKeyPair, renewalAt, replaceKeyPair, validityOf } from "./key_pair.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");

Deno.test("a pair that is replaced is a pair again, whenever its replacement is cut short", async () => {
  const folder = await Deno.makeTempDir({ prefix: "k3ts-pair-" });
  try {
    const path = `${folder}/node`;
    const [first, second] = [await makePair(), await makePair()];
    for (let writes = 0; writes <= 2; writes++) {
      await replaceKeyPair(path, first, Deno.writeTextFile);
      let left = writes;
      const failing = async (file: string, text: string) => {
        if (left-- === 0) throw new Error("killed");
        await Deno.writeTextFile(file, text);
      };
      const cut = await replaceKeyPair(path, second, failing).then(() => false, () => true);
      equal(cut, writes < 2);
      deepEqual(await readKeyPair(path), writes < 2 ? first : second);
    }
    // All is written, and the key not yet in its place.
    await replaceKeyPair(path, first, Deno.writeTextFile);
    await Deno.writeTextFile(`${path}.key.next`, second.key);
    await Deno.writeTextFile(`${path}.crt`, second.certificate);
    deepEqual(await readKeyPair(path), second);
    deepEqual(await readKeyPair(path), second);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("what is missing, damaged or of two minds is no pair", async () => {
  const folder = await Deno.makeTempDir({ prefix: "k3ts-pair-" });
  try {
    const path = `${folder}/node`;
    equal(await readKeyPair(path), undefined);
    const pair = await makePair();
    await replaceKeyPair(path, pair, Deno.writeTextFile);
    await Deno.writeTextFile(`${path}.key`, (await makePair()).key);
    equal(await readKeyPair(path), undefined);
    await Deno.writeTextFile(`${path}.key`, "rubbish");
    equal(await readKeyPair(path), undefined);
    await Deno.writeTextFile(`${path}.key`, pair.key);
    await Deno.writeTextFile(`${path}.crt`, "rubbish");
    equal(await readKeyPair(path), undefined);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a certificate is due at about two thirds of its life", async () => {
  const validity = validityOf((await makePair()).certificate);
  deepEqual(validity, { notBefore: NOW, notAfter: NOW + 90_000 });
  equal(renewalAt(validity), NOW + 60_000);
  ok(Math.abs(renewalAt(validity, 0) - (NOW + 54_000)) < 1 && Math.abs(renewalAt(validity, 1) - (NOW + 66_000)) < 1);
});

async function makePair(): Promise<KeyPair> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=x",
    notBefore: new Date(NOW),
    notAfter: new Date(NOW + 90_000),
    signingAlgorithm: algorithm,
    keys,
  });
  return {
    certificate: certificate.toString("pem"),
    key: PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY"),
  };
}
