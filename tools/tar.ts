/** Writes tar archives in the ustar format (POSIX.1-1988), deterministic: the same entries give the same bytes. */

export type TarEntry =
  | { path: string; type: "file"; data: Uint8Array; mode?: number }
  | { path: string; type: "folder"; mode?: number }
  | { path: string; type: "link"; target: string };

const BLOCK = 512;
const TYPE_FLAGS = { file: "0", link: "2", folder: "5" } as const;
const MODES = { file: 0o644, link: 0o777, folder: 0o755 } as const;

/** @throws {RangeError} where a path or link is longer than the format holds */
export function tar(entries: readonly TarEntry[]): Uint8Array<ArrayBuffer> {
  const blocks: Uint8Array[] = [];
  for (const entry of entries) {
    const data = entry.type === "file" ? entry.data : new Uint8Array();
    blocks.push(header(entry, data.length), data, new Uint8Array((BLOCK - data.length % BLOCK) % BLOCK));
  }
  blocks.push(new Uint8Array(2 * BLOCK));
  return concat(blocks);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function header(entry: TarEntry, size: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (offset: number, length: number, text: string) => {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > length) {
      throw new RangeError(`Cannot archive "${entry.path}" as a field must fit ${length} bytes: "${text}"`);
    }
    block.set(bytes, offset);
  };
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  const mode = entry.type === "link" ? MODES.link : entry.mode ?? MODES[entry.type];
  put(0, 100, entry.type === "folder" ? `${entry.path}/` : entry.path);
  put(100, 8, octal(mode, 7));
  put(108, 8, octal(0, 7));
  put(116, 8, octal(0, 7));
  put(124, 12, octal(size, 11));
  put(136, 12, octal(0, 11));
  put(148, 8, " ".repeat(8));
  put(156, 1, TYPE_FLAGS[entry.type]);
  if (entry.type === "link") put(157, 100, entry.target);
  put(257, 8, "ustar\x0000");
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, 8, `${octal(sum, 6)}\0 `);
  return block;
}
