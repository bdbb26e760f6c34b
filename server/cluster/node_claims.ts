/**
 * Who has a node's name: the machine that joined with it first, known by the key of its request. Names are given by
 * making the Node object, of which there can be one, so that two machines that join as one at the same time, by mistake
 * or in bad faith, never both get its certificate; and a machine whose answer was lost may ask again.
 */
import { isAlreadyExists, isNotFound, type ResourceClient } from "@k3ts/client";
import type { Node } from "@k3ts/model";
import "reflect-metadata"; // @peculiar/x509 resolves its parts with it
import { Pkcs10CertificateRequest } from "@peculiar/x509";

/** SHA-256 of the public key (SubjectPublicKeyInfo, DER) that the machine has joined with, hex. */
export const CLAIM_ANNOTATION = "k3ts.dev/joined-with";

/**
 * @param request PKCS #10, DER, whose signature has been verified: the machine has that key
 * @returns whether the name is this machine's
 */
export async function claimNode(
  nodes: ResourceClient<Node>,
  name: string,
  request: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const key = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new Pkcs10CertificateRequest(request).publicKey.rawData),
  ).toHex();
  try {
    await nodes.create({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, annotations: { [CLAIM_ANNOTATION]: key } },
      spec: {},
    });
    return true;
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  const existing = await nodes.get(name).catch((error) => {
    if (isNotFound(error)) return undefined; // it has just been deleted: the next try makes it
    throw error;
  });
  return existing?.metadata.annotations?.[CLAIM_ANNOTATION] === key;
}
