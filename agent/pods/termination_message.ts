/** A container's last words (core/v1 terminationMessagePath and terminationMessagePolicy). */
import type { Pod } from "@k3ts/model/objects";
import { readTextIfThere } from "../files.ts";
import { logPathOf, type Paths, podPathsOf } from "../paths.ts";
import { readLog } from "../serve/log_reader.ts";
import type { ContainerTable } from "./container_table.ts";
import type { ContainerRecord } from "./observed.ts";
import { text } from "./text.ts";

const MESSAGE_BYTES_MAX = 4096;
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
  const written = await readTextIfThere(`${table.directoryOf(record.id)}/termination-log`);
  if (written !== undefined && written !== "") return written.slice(0, MESSAGE_BYTES_MAX);
  const pod = pods.find((one) => one.metadata.uid === record.podUid);
  const container = [...(pod?.spec?.initContainers ?? []), ...(pod?.spec?.containers ?? [])]
    .find((one) => one.name === record.container);
  if (container?.terminationMessagePolicy !== "FallbackToLogsOnError" || code === 0) return undefined;
  const log = logPathOf(podPathsOf(paths, record.podUid), record.container, record.attempt);
  return await endOfLog(log).catch(() => undefined);
}

async function endOfLog(path: string): Promise<string> {
  const options = { follow: false, timestamps: false, tailLines: LOG_LINES_MAX };
  let end = "";
  for await (const chunk of readLog(path, options, () => Promise.resolve(false), new AbortController().signal)) {
    end += text(chunk);
  }
  return end.slice(-LOG_BYTES_MAX);
}
