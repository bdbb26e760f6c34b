/** Where the next page of a list begins, and of which revision it is. Opaque to clients; shaped as Kubernetes's is. */
import { badRequest } from "../status.ts";

export interface ContinueToken {
  /** 0: of whatever revision is the newest. */
  revision: number;
  /** The first object that the page may have. */
  start: { namespace: string; name: string };
}

export function formatContinue({ revision, start }: ContinueToken): string {
  const text = JSON.stringify({ v: "meta.k8s.io/v1", rv: revision, start: `${start.namespace}/${start.name}` });
  return new TextEncoder().encode(text).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** @throws {StatusError} 400 when it is none of ours */
export function parseContinue(text: string): ContinueToken {
  try {
    const { v, rv, start } = JSON.parse(
      new TextDecoder().decode(Uint8Array.fromBase64(text, { alphabet: "base64url" })),
    );
    const [namespace, name, ...rest] = String(start).split("/");
    if (v !== "meta.k8s.io/v1" || !Number.isSafeInteger(rv) || rv < 0 || name === undefined || rest.length > 0) {
      throw new TypeError("unknown shape");
    }
    return { revision: rv, start: { namespace: namespace!, name } };
  } catch (cause) {
    throw badRequest("continue key is not valid: the token is not one that a list has returned", { cause });
  }
}
