import { deepEqual, equal, rejects } from "node:assert/strict";
import fc from "fast-check";
import type { ApiObject } from "@k3ts/model";
import { type EncodedEvent, JSON_FORM } from "../cache/encoding.ts";
import type { EventSink } from "../cache/watch.ts";
import { refusal } from "../testing/refusal.ts";
import { ADMIN, type TestApiServer, testApiServer } from "../testing/test_api_server.ts";
import { list } from "./list.ts";
import { watch } from "./watch.ts";

const NAMESPACES = ["default", "kube-public"];
const SELECTORS = [
  { labelSelector: "", fieldSelector: "" },
  { labelSelector: "color=red", fieldSelector: "" },
  { labelSelector: "color in (red,blue)", fieldSelector: "" },
  { labelSelector: "!color", fieldSelector: "" },
  { labelSelector: "", fieldSelector: "metadata.name=a" },
  { labelSelector: "color!=red", fieldSelector: "metadata.namespace!=default" },
];
const SCOPES = ["", "default"];

const arbitraryWrite = fc.record({
  do: fc.constantFrom("apply", "delete", "deleteAll"),
  namespace: fc.constantFrom(...NAMESPACES),
  name: fc.constantFrom("a", "b", "c"),
  color: fc.constantFrom("red", "blue", "none"),
});

Deno.test("whatever is done by the verbs, a list replayed with its watch equals a later list, for every selector", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arbitraryWrite, { maxLength: 30 }), fc.nat(30), async (writes, cut) => {
      await using server = await testApiServer();
      for (const write of writes.slice(0, cut)) await doWrite(server, write);
      const replays = [];
      for (const namespace of SCOPES) {
        for (const selection of SELECTORS) replays.push(await beginReplay(server, namespace, selection));
      }
      for (const write of writes.slice(cut)) await doWrite(server, write);
      for (const replay of replays) deepEqual(replay.state, (await listed(server, replay.namespace, replay)).state);
    }),
    { numRuns: 30 },
  );
});

Deno.test("a watch needs the leave to watch", async () => {
  await using server = await testApiServer();
  const user = { name: "bob", groups: [] };
  const request = { ...requestOf(server, "default", SELECTORS[0]!), user, allowBookmarks: false };
  await rejects(watch(request, JSON_FORM, new ReplaySink(new Map()), server.verbs), refusal(403));
});

Deno.test("options of a streamed list that contradict each other are refused", async () => {
  await using server = await testApiServer();
  const request = { ...requestOf(server, "default", SELECTORS[0]!), allowBookmarks: true };
  const ask = (more: object) => watch({ ...request, ...more }, JSON_FORM, new ReplaySink(new Map()), server.verbs);
  await rejects(ask({ sendInitialEvents: true }), refusal(422));
  await rejects(ask({ resourceVersionMatch: "NotOlderThan" }), refusal(422));
});

type Selection = (typeof SELECTORS)[number];

async function doWrite(
  server: TestApiServer,
  { do: what, namespace, name, color }: { do: string; namespace: string; name: string; color: string },
): Promise<void> {
  const maps = { resource: "configmaps", namespace };
  if (what === "apply") {
    const labels = color === "none" ? {} : { labels: { color } };
    const applied = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, ...labels } };
    await server.patch({ ...maps, name }, "apply", applied);
  } else {
    const all = what === "deleteAll" ? await server.list(maps) : [{ metadata: { name } }];
    for (const { metadata } of all) {
      await server.delete({ ...maps, name: metadata.name }).catch((error) => equal(error.status.code, 404));
    }
  }
}

/** A list, with a watch that keeps it up to date. */
async function beginReplay(server: TestApiServer, namespace: string, selection: Selection) {
  const { state, resourceVersion } = await listed(server, namespace, selection);
  const request = { ...requestOf(server, namespace, selection), resourceVersion, allowBookmarks: false };
  (await watch(request, JSON_FORM, new ReplaySink(state), server.verbs)).resume();
  return { ...selection, namespace, state };
}

async function listed(server: TestApiServer, namespace: string, selection: Selection) {
  const reply = await list({ ...requestOf(server, namespace, selection), limit: 0, continue: "" }, server.verbs);
  if (reply.type !== "list") throw new TypeError("a list must be answered by a list");
  const { objects, revision } = reply.page;
  const state = new Map(objects.map((object) => [`${object.namespace}/${object.name}`, String(object.revision)]));
  return { state, resourceVersion: String(revision) };
}

function requestOf(server: TestApiServer, namespace: string, { labelSelector, fieldSelector }: Selection) {
  return {
    user: ADMIN,
    resource: server.resources.get("configmaps"),
    namespace,
    name: "",
    subresource: "",
    labelSelector,
    fieldSelector,
    resourceVersion: "",
    resourceVersionMatch: "",
    signal: new AbortController().signal,
  };
}

/** Does to a map what the events say, and minds that they fit it. */
class ReplaySink implements EventSink {
  constructor(readonly state: Map<string, string>) {}

  room(): number {
    return 1;
  }

  send(events: readonly EncodedEvent[]): void {
    for (const { type, object } of events) {
      const { metadata }: ApiObject = JSON.parse(new TextDecoder().decode(object));
      const key = `${metadata.namespace}/${metadata.name}`;
      equal(this.state.has(key), type !== "ADDED", `${type} of ${key}`);
      if (type === "DELETED") this.state.delete(key);
      else this.state.set(key, metadata.resourceVersion!);
    }
  }

  end(): void {}
}
