/** Writes whose outcome was recorded from Kubernetes 1.35.4: what it stored, or what it said was wrong. */
import { deepEqual as assertEquals } from "node:assert/strict";
import { parseApiVersion, resourceOfKind } from "../facts/mod.ts";
import { cloneJson, equalJson, isJsonObject, type Json, type JsonObject, setOwn } from "../json.ts";
import { type ApiObject, formatFieldError, kindOf } from "./mod.ts";
import recorded from "./testdata/kubernetes_1_35_4.json" with { type: "json" };
import workloads from "./testdata/kubernetes_1_35_4_workloads.json" with { type: "json" };

/** What the server gives a new object. */
const UID = "11111111-2222-3333-4444-555555555555";

interface Recorded {
  object: ApiObject;
  old?: ApiObject;
  subresource?: string;
  errors?: string[];
  result?: JsonObject;
}

for (const [index, write] of ([...recorded, ...workloads] as unknown as Recorded[]).entries()) {
  const { kind } = write.object;
  const verb = write.old === undefined ? "create" : `update${write.subresource ? ` of the ${write.subresource}` : ""}`;
  const outcome = write.errors === undefined ? "defaults and stores what it does" : "says what it says is wrong";
  Deno.test(`a ${verb} of a ${kind} ${outcome} (${index})`, () => {
    const { errors, next } = run(write);
    assertEquals(errors.map(shorten).sort(), (write.errors ?? []).map(shorten).sort());
    if (write.result === undefined) return;
    const mine = bare(next);
    const theirs = bare(write.result);
    if (!equalJson(mine, theirs)) assertEquals(mine, theirs);
  });
}

function run({ object, old, subresource = "" }: Recorded): { errors: string[]; next: JsonObject } {
  const { group } = parseApiVersion(object.apiVersion!);
  const kind = kindOf(group, resourceOfKind(group, object.kind!)!.resource);
  const next = cloneJson(object);
  kind.defaults(next);
  if (old === undefined) {
    next.metadata.uid ??= UID;
    kind.prepareForCreate(next);
    return { errors: kind.validate(next).map(formatFieldError), next: next as unknown as JsonObject };
  }
  const before = cloneJson(old);
  kind.defaults(before);
  kind.prepareForUpdate(next, before, subresource);
  const errors = kind.validateUpdate(next, before, subresource).map(formatFieldError);
  return { errors, next: next as unknown as JsonObject };
}

/** What fields a pod's update changed is shown in another way. */
function shorten(error: string): string {
  return error.replace(/(pod updates may not change)[^]*/, "$1");
}

/** Without what is empty, and what storing adds. */
function bare(object: JsonObject): Json {
  const { uid: _, creationTimestamp: __, resourceVersion: ___, ...metadata } = object["metadata"] as JsonObject;
  return drop({ ...object, metadata });
}

function drop(value: Json): Json {
  if (Array.isArray(value)) return value.map(drop);
  if (!isJsonObject(value)) return value;
  const kept: JsonObject = {};
  for (const [name, member] of Object.entries(value)) {
    const clean = drop(member);
    const isEmpty = typeof clean === "object" ? clean === null || Object.keys(clean).length === 0 : !clean;
    if (!isEmpty) setOwn(kept, name, clean);
  }
  return kept;
}
