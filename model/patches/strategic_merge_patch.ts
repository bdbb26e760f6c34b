/**
 * Strategic merge patch: a merge patch whose lists merge by the keys that the type's facts name, with directives.
 *
 * Behaviour follows k8s.io/apimachinery `util/strategicpatch` (1.35). Directives: `$patch` (replace, delete, merge),
 * `$retainKeys`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`.
 */
import type { JsonObject } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";

/**
 * @param type facts of the document's type; {@link UNKNOWN_TYPE} merges objects and replaces lists
 * @throws {PatchError} where a directive is wrong or an item lacks its merge key
 */
export declare function strategicMergePatch(document: JsonObject, patch: JsonObject, type: TypeView): JsonObject;
