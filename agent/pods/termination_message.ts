/** A container's last words (core/v1 terminationMessagePath and terminationMessagePolicy). */
import type { Pod } from "@k3ts/model/objects";
import { logPathOf, type Paths, podPathsOf } from "../paths.ts";
import { readLog } from "../serve/log_reader.ts";
import { containersOf } from "./container_rules.ts";
import type { ContainerTable } from "./container_table.ts";
import type { ContainerRecord } from "./observed.ts";
import { text } from "./text.ts";

const MESSAGE_BYTES_MAX = 4096;
/** Of all containers together. */
const POD_BYTES_MAX = 12 * 1024;
const LOG_LINES_MAX = 80;
const LOG_BYTES_MAX = 2048;

/** What it wrote to its file; where the policy asks for it and there is nothing, the end of its log. */
export async function readTerminationMessage(
  paths: Paths,
  table: Pick<ContainerTable, "directoryOf">,
  pods: readonly Pod[],
  record: ContainerRecord,
  code: number,
): Promise<string | undefined> {
  const pod = pods.find((one) => one.metadata.uid === record.podUid);
  const all = pod === undefined ? [] : containersOf(pod);
  const bytesMax = Math.min(MESSAGE_BYTES_MAX, Math.floor(POD_BYTES_MAX / Math.max(1, all.length)));
  const written = await readStart(`${table.directoryOf(record.id)}/termination-log`, bytesMax);
  if (written !== "") return written;
  const container = all.find((one) => one.container.name === record.container)?.container;
  if (container?.terminationMessagePolicy !== "FallbackToLogsOnError" || code === 0) return undefined;
  const log = logPathOf(podPathsOf(paths, record.podUid), record.container, record.attempt);
  return await endOfLog(log).catch(() => undefined);
}

/** However much was written; most write nothing. */
async function readStart(path: string, bytesMax: number): Promise<string> {
  try {
    if (Deno.statSync(path).size === 0) return "";
    using file = await Deno.open(path);
    const buffer = new Uint8Array(bytesMax);
    let size = 0;
    for (let read: number | null = 0; read !== null && size < bytesMax; size += read ?? 0) {
      read = await file.read(buffer.subarray(size));
    }
    return text(buffer.subarray(0, size));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

async function endOfLog(path: string): Promise<string> {
  const options = { follow: false, timestamps: false, tailLines: LOG_LINES_MAX };
  let end = "";
  for await (const chunk of readLog(path, options, () => Promise.resolve(false), new AbortController().signal)) {
    // A line may be as long as it likes.
    end = (end + text(chunk)).slice(-LOG_BYTES_MAX);
  }
  return end;
}
