/** What a node tells of itself: the paths of the kubelet, reached through `nodes/NAME/proxy`. */
import type { Pod } from "@k3ts/model/objects";
import type { ContainerTable } from "../pods/container_table.ts";
import { answerHealth, type HealthChecks } from "@k3ts/client/telemetry";
import { type Answer, failure, jsonAnswer, textAnswer } from "./answer.ts";

export interface NodePageParts {
  pods(): readonly Pod[];
  table: Pick<ContainerTable, "of">;
  /** What must hold for the node to be well. @default nothing: whoever hears an answer has reached a loop that turns */
  health?: HealthChecks;
  /** Further pages by their paths, such as `/metrics`. */
  pages?: Readonly<Record<string, () => Answer | Promise<Answer>>>;
}

/** @returns undefined when there is no such page */
export async function nodePage(parts: NodePageParts, method: string, url: URL): Promise<Answer | undefined> {
  const path = url.pathname;
  const name = path.replace(/\/$/, "");
  if (/^\/healthz(\/|$)/.test(name) && isRead(method)) {
    const health = await answerHealth(name, url.searchParams, parts.health ?? WELL);
    return health && textAnswer(health.status, health.text);
  }
  const page = PAGES[name] ?? parts.pages?.[name];
  if (page === undefined) return undefined;
  if (!isRead(method)) return failure(405, `${path} can only be read`);
  return await page(parts);
}

const PAGES: Readonly<Record<string, (parts: NodePageParts) => Answer>> = {
  "/pods": ({ pods }) => podList(pods()),
  "/runningpods": ({ pods, table }) =>
    podList(pods().filter(({ metadata }) => table.of(metadata.uid).some((one) => one.state === "running"))),
};

const WELL: HealthChecks = { live: {}, ready: {} };

function isRead(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

function podList(items: readonly Pod[]): Answer {
  return jsonAnswer(200, { kind: "PodList", apiVersion: "v1", metadata: {}, items });
}
