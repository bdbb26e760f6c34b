/** JSON Patch (RFC 6902) on JSON documents, with pointers by RFC 6901. */
import { cloneJson, equalJson, getOwn, isJsonObject, type Json, setOwn } from "../json.ts";
import { PatchError } from "./patch_error.ts";

export type JsonPatchOperation =
  | { op: "add" | "replace" | "test"; path: string; value: Json }
  | { op: "remove"; path: string }
  | { op: "move" | "copy"; from: string; path: string };

/** Most operations of one patch, as Kubernetes limits it. */
const OPERATIONS_MAX = 10_000;

/** Most values that all copies of one patch make together: a copy of what was copied before doubles it. */
const COPIED_VALUES_MAX = 200_000;

/**
 * @throws {PatchError} `malformed` where an operation is none, `inapplicable` where a path does not exist or a test fails;
 * nothing of the patch is applied then
 */
export function jsonPatch(document: Json, operations: unknown): Json {
  if (!Array.isArray(operations)) throw new PatchError("malformed", "Cannot apply JSON patch as it must be an array");
  if (operations.length > OPERATIONS_MAX) {
    throw new PatchError(
      "malformed",
      `Cannot apply JSON patch as it may have at most ${OPERATIONS_MAX} operations: it has ${operations.length}`,
    );
  }
  // One member above the document, so that the whole document is a place like any other.
  const root: Place = { "": cloneJson(document) };
  const copies = { left: COPIED_VALUES_MAX };
  operations.forEach((operation, index) => apply(root, readOperation(operation, index), copies));
  return root[""]!;
}

type Place = { [name: string]: Json };

function readOperation(operation: unknown, index: number): JsonPatchOperation {
  const fail = (what: string) => new PatchError("malformed", `Cannot apply operation ${index} of JSON patch: ${what}`);
  if (!isJsonObject(operation)) throw fail("it must be an object");
  const { op, path, from } = operation;
  if (typeof path !== "string") throw fail("path must be a string");
  switch (op) {
    case "add":
    case "replace":
    case "test":
      return { op, path, value: operation["value"] ?? null };
    case "remove":
      return { op, path };
    case "move":
    case "copy":
      if (typeof from !== "string") throw fail("from must be a string");
      return { op, path, from };
    default:
      throw fail(`op must be add, remove, replace, move, copy or test: it is ${JSON.stringify(op)}`);
  }
}

function apply(root: Place, operation: JsonPatchOperation, copies: { left: number }): void {
  switch (operation.op) {
    case "add":
      return add(root, operation.path, cloneJson(operation.value));
    case "remove":
      remove(root, operation.path);
      return;
    case "replace": {
      const { parent, name } = locate(root, operation.path);
      read(parent, name, operation.path);
      if (Array.isArray(parent)) parent[Number(name)] = cloneJson(operation.value);
      else setOwn(parent, name, cloneJson(operation.value));
      return;
    }
    case "copy": {
      const original = at(root, operation.from);
      copies.left -= countValues(original, copies.left);
      if (copies.left < 0) {
        throw new PatchError(
          "inapplicable",
          `Unable to complete the copy in a JSON patch as it may copy at most ${COPIED_VALUES_MAX} values`,
        );
      }
      return add(root, operation.path, cloneJson(original));
    }
    case "move":
      if (operation.path.startsWith(`${operation.from}/`)) {
        throw new PatchError("inapplicable", `Cannot move ${operation.from} into ${operation.path}, a part of itself`);
      }
      return add(root, operation.path, remove(root, operation.from));
    case "test":
      if (!equalJson(at(root, operation.path), operation.value)) {
        throw new PatchError("inapplicable", `testing value ${operation.path} failed: test failed`);
      }
  }
}

/** Every value in a value, itself included; stops counting at the first above `max`. */
function countValues(value: Json, max: number): number {
  let count = 1;
  if (typeof value !== "object" || value === null) return typeof value === "string" ? 1 + (value.length >> 8) : 1;
  for (const part of Object.values(value)) {
    if (count > max) break;
    count += countValues(part, max - count);
  }
  return count;
}

function at(root: Place, path: string): Json {
  const { parent, name } = locate(root, path);
  return read(parent, name, path);
}

function add(root: Place, path: string, value: Json): void {
  const { parent, name } = locate(root, path);
  if (!Array.isArray(parent)) return setOwn(parent, name, value);
  const index = name === "-" ? parent.length : arrayIndex(name, path);
  if (index > parent.length) throw missing(path);
  parent.splice(index, 0, value);
}

function remove(root: Place, path: string): Json {
  const { parent, name } = locate(root, path);
  const value = read(parent, name, path);
  if (Array.isArray(parent)) parent.splice(Number(name), 1);
  else delete parent[name];
  return value;
}

/** The container that holds what the pointer points at, and its name there. */
function locate(root: Place, path: string): { parent: Place | Json[]; name: string } {
  if (path !== "" && !path.startsWith("/")) {
    throw new PatchError("malformed", `Cannot read JSON pointer ${JSON.stringify(path)} as it must begin with a slash`);
  }
  const tokens = path.split("/").map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
  const name = tokens.pop()!;
  let parent: Place | Json[] = root;
  for (const token of tokens) {
    const next: Json = read(parent, token, path);
    if (!isJsonObject(next) && !Array.isArray(next)) throw missing(path);
    parent = next;
  }
  return { parent, name };
}

function read(parent: Place | Json[], name: string, path: string): Json {
  const value = Array.isArray(parent) ? parent[arrayIndex(name, path)] : getOwn(parent, name);
  if (value === undefined) throw missing(path);
  return value;
}

function arrayIndex(name: string, path: string): number {
  if (!/^(0|[1-9][0-9]*)$/.test(name)) throw missing(path);
  return Number(name);
}

function missing(path: string): PatchError {
  return new PatchError("inapplicable", `Cannot apply JSON patch as ${JSON.stringify(path)} does not exist`);
}
