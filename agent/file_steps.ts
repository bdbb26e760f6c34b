/**
 * Changes of files as data: made by pure planners, done by one call of the native parts, whose threads touch the disk.
 * Each by itself would keep JavaScript busy for longer than the kernel.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { FileStepSchema, ImageService, MountRequestSchema } from "@k3ts/proto";
import { bytes } from "./pods/text.ts";

/** One change, see `FileStep` in `proto/k3ts/v1/image.proto`. */
export type FileStep = MessageInitShape<typeof FileStepSchema>;

export type Files = Pick<Client<typeof ImageService>, "changeFiles">;

/** Of one call. What a single step takes is what an object may have, and so bounded by itself. */
const CALL_BYTES_MAX = 4 * 1024 * 1024;

/** Does one after the other, in as few calls as can be. */
export async function change(files: Files, steps: readonly FileStep[]): Promise<void> {
  let call: FileStep[] = [];
  let size = 0;
  for (const one of steps) {
    const { step } = one;
    const more = step?.case === "writeFile" ? step.value.content?.length ?? 0 : 0;
    if (call.length > 0 && size + more > CALL_BYTES_MAX) {
      await files.changeFiles({ steps: call });
      [call, size] = [[], 0];
    }
    call.push(one);
    size += more;
  }
  if (call.length > 0) await files.changeFiles({ steps: call });
}

export interface Written {
  /** @default 0o600 */
  mode?: number;
  /** @default root */
  uid?: number;
  /** @default root's */
  gid?: number;
}

/** With its parents; what is there stays as it is. @param gid whose group it is, if not root's */
export function makeDirectory(path: string, mode: number, gid = 0): FileStep {
  return { step: { case: "makeDirectory", value: { path, mode, gid } } };
}

/** Readers see the old or the new content, also after a crash. @param options `sync`: it is on disk by then */
export function writeWhole(path: string, content: string | Uint8Array, options: { sync: boolean }): FileStep {
  return write(path, content, { mode: 0o600, whole: true, ...options });
}

/** The file stays the same one, for those that have it mounted. */
export function writeInPlace(path: string, content: string | Uint8Array, written: Written = {}): FileStep {
  return write(path, content, { mode: 0o600, ...written });
}

function write(
  path: string,
  content: string | Uint8Array,
  options: Written & { whole?: boolean; sync?: boolean },
): FileStep {
  const value = { path, content: typeof content === "string" ? bytes(content) : content, ...options };
  return { step: { case: "writeFile", value } };
}

export function makeLink(target: string, path: string): FileStep {
  return { step: { case: "makeLink", value: { target, path } } };
}

export function renameFile(from: string, to: string): FileStep {
  return { step: { case: "renameFile", value: { from, to } } };
}

/** What is not there is no error. */
export function removeFile(path: string): FileStep {
  return { step: { case: "removeFile", value: { path } } };
}

/** With all that is in it, as long as nothing is mounted there. */
export function removeTree(path: string): FileStep {
  return { step: { case: "removeFile", value: { path, below: true } } };
}

export function mount(value: MessageInitShape<typeof MountRequestSchema>): FileStep {
  return { step: { case: "mount", value } };
}

/** What is not mounted is no error. */
export function unmount(target: string): FileStep {
  return { step: { case: "unmount", value: { target } } };
}

/** Every mount at or below the path, deepest first. */
export function unmountBelow(path: string): FileStep {
  return { step: { case: "unmountBelow", value: { path } } };
}
