/** Objects as rows, for people (meta.k8s.io/v1 Table). */
import type { ApiObject, Cell, Column } from "@k3ts/model";
import { parseObject, type StoredObject } from "../registry/stored_object.ts";
import type { ServedResource } from "../resources.ts";
import { partialMetadata } from "./partial_metadata.ts";

/** What each row carries beside its cells. */
export type IncludeObject = "None" | "Metadata" | "Object";

export interface Table {
  kind: "Table";
  apiVersion: "meta.k8s.io/v1";
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  columnDefinitions: readonly Column[];
  rows: { cells: Cell[]; object?: object }[];
}

/** @param now ms since the epoch, for ages */
export function tableOf(
  resource: ServedResource,
  objects: readonly StoredObject[],
  include: IncludeObject,
  now: number,
  resourceVersion: string,
): Table {
  const { strategy } = resource;
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: { resourceVersion },
    columnDefinitions: strategy.columns,
    rows: objects.map((stored) => {
      const object = parseObject<ApiObject>(stored);
      // A bookmark is no object: there is nothing that columns could tell of it.
      const cells = stored.uid === "" ? strategy.columns.map(blank) : strategy.row(object, now);
      if (include === "None") return { cells };
      return { cells, object: include === "Object" ? object : partialMetadata(object) };
    }),
  };
}

function blank({ type }: Column): Cell {
  return type === "integer" ? 0 : "";
}
