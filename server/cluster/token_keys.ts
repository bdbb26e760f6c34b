/**
 * The keys of service-account tokens on disk: `service-account.key` signs, and whatever else is called
 * `service-account.*.key` is believed too. To rotate, rename the first to one of those and start the server anew; when
 * no token of the old key can be valid any more, remove it.
 */
import type { TokenKeys } from "@k3ts/api";
import { readIfThere, writeSecret } from "./files.ts";

const SIGNING = { name: "ECDSA", namedCurve: "P-256" } as const;
const CURRENT = "service-account.key";
const OTHER = /^service-account\..+\.key$/;
/** Of a key that was made when there was one only. */
const FIRST_ID = "1";

interface StoredKey extends JsonWebKey {
  kid?: string;
}

/** Makes the key that signs when there is none. */
export async function loadTokenKeys(folder: string): Promise<TokenKeys> {
  const current = parse(await readIfThere(`${folder}/${CURRENT}`) ?? await make(`${folder}/${CURRENT}`), CURRENT);
  const others: StoredKey[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (OTHER.test(name)) others.push(parse(await Deno.readTextFile(`${folder}/${name}`), name));
  }
  const privateKey = await crypto.subtle.importKey("jwk", { ...current, key_ops: ["sign"] }, SIGNING, false, ["sign"]);
  return {
    current: { ...await publicPart(current), privateKey },
    others: await Promise.all(others.map(publicPart)),
  };
}

async function publicPart(key: StoredKey) {
  const { d: _secret, kid = FIRST_ID, ...rest } = key;
  const publicKey = await crypto.subtle.importKey("jwk", { ...rest, key_ops: ["verify"] }, SIGNING, true, ["verify"]);
  return { id: kid, publicKey };
}

function parse(text: string, name: string): StoredKey {
  try {
    return JSON.parse(text) as StoredKey;
  } catch (cause) {
    throw new Error(`Cannot use the key ${name} of service accounts as it must be a JSON Web Key`, { cause });
  }
}

async function make(path: string): Promise<string> {
  const keys = await crypto.subtle.generateKey(SIGNING, true, ["sign", "verify"]);
  const jwk = await crypto.subtle.exportKey("jwk", keys.privateKey);
  const text = JSON.stringify({ ...jwk, kid: await thumbprint(jwk) });
  await writeSecret(path, text);
  return text;
}

/** RFC 7638. */
async function thumbprint({ crv, kty, x, y }: JsonWebKey): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify({ crv, kty, x, y }));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
    .toBase64({ alphabet: "base64url", omitPadding: true });
}
