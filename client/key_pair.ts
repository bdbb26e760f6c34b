/**
 * A certificate with its key, as two files that are replaced together: `PATH.crt` and `PATH.key`. Whenever a process or
 * a machine stops in between, what is read afterwards is a pair.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";

export interface KeyPair {
  /** PEM, leaf first. */
  certificate: string;
  /** PEM, PKCS #8. */
  key: string;
}

/** When a certificate holds, in ms since the epoch. */
export interface Validity {
  notBefore: number;
  notAfter: number;
}

/** About when a certificate should be replaced, as a share of its life. */
const RENEW_AT = 2 / 3;
/** So far before and after that, so that not all nodes ask at once. */
const RENEW_SPREAD = 1 / 15;

/** Undefined when there is none, or when the two do not belong together and cannot be brought together. */
export async function readKeyPair(path: string): Promise<KeyPair | undefined> {
  const certificate = await readIfThere(`${path}.crt`);
  if (certificate === undefined) return undefined;
  const key = await readIfThere(`${path}.key`);
  if (key !== undefined && belong(certificate, key)) return { certificate, key };
  const next = await readIfThere(`${path}.key.next`);
  if (next === undefined || !belong(certificate, next)) return undefined;
  // The end of a replacement that was cut short.
  await Deno.rename(`${path}.key.next`, `${path}.key`);
  return { certificate, key: next };
}

/**
 * First the new key beside the old one, then the certificate, then the key in its place.
 * @param write writes a file whole or not at all, readable by its owner only
 */
export async function replaceKeyPair(
  path: string,
  { certificate, key }: KeyPair,
  write: (path: string, text: string) => Promise<void>,
): Promise<void> {
  await write(`${path}.key.next`, key);
  await write(`${path}.crt`, certificate);
  await Deno.rename(`${path}.key.next`, `${path}.key`);
}

/** Of the first certificate of a PEM. */
export function validityOf(certificate: string): Validity {
  const { validFrom, validTo } = new X509Certificate(certificate);
  return { notBefore: Date.parse(validFrom), notAfter: Date.parse(validTo) };
}

/** When a certificate should be replaced: at two thirds of its life. @param random from 0 to 1; 0.5: exactly then */
export function renewalAt({ notBefore, notAfter }: Validity, random = 0.5): number {
  return notBefore + (notAfter - notBefore) * (RENEW_AT + (random * 2 - 1) * RENEW_SPREAD);
}

function belong(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    // One of them is damaged.
    return false;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
