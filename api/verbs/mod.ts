/** The verbs, one file each, the same for every resource. */
export * from "./request.ts";
export type { Verbs } from "./context.ts";
export { connect } from "./connect.ts";
export { decodeDeleteOptions } from "./decode.ts";
export { create } from "./create.ts";
export { remove } from "./delete.ts";
export { deleteCollection } from "./delete_collection.ts";
export { get } from "./get.ts";
export { list } from "./list.ts";
export { managerOfUserAgent } from "./managers.ts";
export { patch } from "./patch.ts";
export { update } from "./update.ts";
export { watch } from "./watch.ts";
