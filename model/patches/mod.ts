/** The patch formats of the API: each takes a document and a patch and returns the patched document, changing neither. */
export { jsonPatch, type JsonPatchOperation } from "./json_patch.ts";
export { mergePatch } from "./merge_patch.ts";
export { strategicMergePatch } from "./strategic_merge_patch.ts";
export { PatchError } from "./patch_error.ts";
