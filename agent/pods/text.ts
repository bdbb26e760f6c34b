import type { Pod } from "@k3ts/model/objects";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** UTF-8 as text; what is not UTF-8 becomes U+FFFD. */
export function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** How logs call a pod. */
export function podName({ metadata: { namespace, name } }: Pod): string {
  return `${namespace ?? "default"}/${name}`;
}
