/** What a node tells of itself: the paths of the kubelet, reached through `nodes/NAME/proxy`. */
import type { Pod } from "@k3ts/model/objects";
import type { ContainerTable } from "../pods/container_table.ts";
import { type Answer, failure, jsonAnswer, textAnswer } from "./answer.ts";

export interface NodePageParts {
  pods(): readonly Pod[];
  table: Pick<ContainerTable, "of">;
  /** Further pages by their paths, such as `/metrics`. */
  pages?: Readonly<Record<string, () => Answer | Promise<Answer>>>;
}

/** @returns undefined when there is no such page */
export async function nodePage(parts: NodePageParts, method: string, path: string): Promise<Answer | undefined> {
  const name = path.replace(/\/$/, "");
  const page = PAGES[name] ?? parts.pages?.[name];
  if (page === undefined) return undefined;
  if (method !== "GET" && method !== "HEAD") return failure(405, `${path} can only be read`);
  return await page(parts);
}

const PAGES: Readonly<Record<string, (parts: NodePageParts) => Answer>> = {
  // Whoever hears this has reached an agent whose loop turns.
  "/healthz": () => textAnswer(200, "ok"),
  "/healthz/ping": () => textAnswer(200, "ok"),
  "/pods": ({ pods }) => podList(pods()),
  "/runningpods": ({ pods, table }) =>
    podList(pods().filter(({ metadata }) => table.of(metadata.uid).some((one) => one.state === "running"))),
};

function podList(items: readonly Pod[]): Answer {
  return jsonAnswer(200, { kind: "PodList", apiVersion: "v1", metadata: {}, items });
}
