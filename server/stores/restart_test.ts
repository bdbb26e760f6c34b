/** What a server finds that starts on a store of before: watches that resume, history that is gone, events whose time came. */
import { deepEqual, equal, match } from "node:assert/strict";
import { type TestApiServer, testApiServer } from "@k3ts/api/testing";
import { FakeClock } from "@k3ts/model/testing";
import { type EngineName, openNative } from "@k3ts/ffi";
import { restFace } from "../faces/rest.ts";
import { diskStore } from "./disk.ts";

const ENGINES: readonly EngineName[] = ["slatedb", "sqlite"];
const MINUTE_MS = 60_000;

interface Line {
  type: string;
  object: { code?: number; reason?: string; message?: string; metadata: { name: string; resourceVersion: string } };
}

for (const engine of ENGINES) {
  Deno.test(`${engine}: a watch resumes after a restart where it was, and is told 410 where history was compacted`, async () => {
    await using place = await Place.make(engine);
    const before = await place.start();
    const first = await create(before, "first");
    await create(before, "second");
    await before.close();

    const next = await place.start();
    await create(next, "third");
    const resumed = await watched(next, "configmaps", first, 2);
    deepEqual(resumed.map(({ type, object }) => [type, object.metadata.name]), [["ADDED", "second"], [
      "ADDED",
      "third",
    ]]);
    // Kept for ten minutes, as of the newest revision then.
    place.clock.advance(12 * MINUTE_MS);
    const fourth = await create(next, "fourth");
    // A compaction is under way on native threads: what closes the store waits for it.
    await next.close();

    await using last = await place.start();
    const [refusal] = await watched(last, "configmaps", first, 1);
    deepEqual([refusal!.type, refusal!.object.code, refusal!.object.reason], ["ERROR", 410, "Expired"]);
    match(refusal!.object.message!, /too old resource version/);
    await create(last, "fifth");
    const [event] = await watched(last, "configmaps", fourth, 1);
    deepEqual([event!.type, event!.object.metadata.name], ["ADDED", "fifth"]);
  });

  Deno.test(`${engine}: events whose hour is over while no server runs are deleted by the next one, and watches see it`, async () => {
    await using place = await Place.make(engine);
    const before = await place.start();
    const event = await before.create<Line["object"]>({ resource: "events", namespace: "default" }, {
      metadata: { name: "e", namespace: "default" },
      involvedObject: { kind: "Pod", namespace: "default", name: "p" },
    });
    await before.close();
    place.clock.advance(61 * MINUTE_MS);

    await using next = await place.start();
    const seeing = watched(next, "events", event.metadata.resourceVersion, 1);
    place.clock.advance(1);
    const [seen] = await seeing;
    deepEqual([seen!.type, seen!.object.metadata.name], ["DELETED", "e"]);
    equal((await next.list({ resource: "events" })).length, 0);
  });
}

/** A store's folder, and the time, which goes on while no server runs. */
class Place implements AsyncDisposable {
  readonly clock = new FakeClock();

  private constructor(readonly path: string, readonly engine: EngineName, readonly native: NativeOf) {}

  static async make(engine: EngineName): Promise<Place> {
    return new Place(await Deno.makeTempDir({ prefix: "k3ts-restart-" }), engine, await openNative());
  }

  start(): Promise<TestApiServer> {
    return testApiServer({ store: diskStore(this), clock: this.clock });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.native.close();
    await Deno.remove(this.path, { recursive: true });
  }
}

type NativeOf = Awaited<ReturnType<typeof openNative>>;

/** @returns its revision */
async function create(server: TestApiServer, name: string): Promise<string> {
  const made = await server.create({ resource: "configmaps", namespace: "default" }, {
    metadata: { name, namespace: "default" },
  });
  return made.metadata.resourceVersion!;
}

/** The first lines of a watch. */
async function watched(server: TestApiServer, resource: string, from: string, count: number): Promise<Line[]> {
  const face = restFace(server, {
    credentials: () => ({ certificate: { commonName: "admin", organizations: ["system:masters"] } }),
  });
  const response = await face(new Request(`http://api/api/v1/${resource}?watch=1&resourceVersion=${from}`));
  equal(response.status, 200);
  const lines: Line[] = [];
  let text = "";
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const whole = text.split("\n");
    text = whole.pop()!;
    lines.push(...whole.map((line) => JSON.parse(line)));
    if (lines.length >= count) break;
  }
  return lines;
}
