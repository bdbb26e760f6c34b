/** Puts words before every line of a log. Pure. */
import { concatBytes } from "@k3ts/model";

const LINE_FEED = 0x0a;

/** @returns what takes a log in pieces of any length */
export function prefixLines(prefix: string): (data: Uint8Array) => Uint8Array {
  if (prefix === "") return (data) => data;
  const bytes = new TextEncoder().encode(prefix);
  let isNew = true;
  return (data) => {
    const parts: Uint8Array[] = [];
    for (let start = 0; start < data.length;) {
      const end = data.indexOf(LINE_FEED, start);
      const next = end < 0 ? data.length : end + 1;
      if (isNew) parts.push(bytes);
      parts.push(data.subarray(start, next));
      isNew = end >= 0;
      start = next;
    }
    return concatBytes(parts);
  };
}
