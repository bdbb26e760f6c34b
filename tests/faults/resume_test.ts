/** A watch of a real cluster goes on from its revision after the server was killed, without a list; and is told when it cannot. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { VerifiedIdentitySchema } from "@k3ts/proto";
import { eventually, TestCluster } from "../e2e/cluster.ts";
import { TextLineStream } from "@k3ts/tools/lines";

const COLLECTION = "/api/v1/namespaces/default/configmaps";
/** More changes than a server keeps of one resource. */
const CHANGES = 9_400;
/** Each connection of fetch over a unix socket holds one of the few threads that files are read with. */
const CONCURRENCY = 8;

interface Event {
  type: string;
  object: { code?: number; reason?: string; metadata: { name: string; resourceVersion: string } };
}

Deno.test({
  name: "a watch resumes after kill -9 of the server without a list, and is told 410 where it is too far behind",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using cluster = await TestCluster.start("--store", "sqlite");
    using api = new AdminApi(`${cluster.dataDir}/run/server.sock`);
    const begin = await api.revision();
    const first = await api.write("a", "1");
    const [seen] = await api.watch(begin, 1);
    deepEqual([seen!.type, seen!.object.metadata], ["ADDED", {
      ...seen!.object.metadata,
      name: "a",
      resourceVersion: first,
    }]);

    const pid = await cluster.pidOf("server");
    Deno.kill(pid, "SIGKILL");
    await eventually(async () => {
      ok(await cluster.pidOf("server") !== pid);
      await api.revision();
    });
    const second = await api.write("a", "2");
    await api.write("b", "1");
    const resumed = await api.watch(first, 2);
    deepEqual(
      resumed.map(({ type, object: { metadata } }) => [type, metadata.name]),
      [["MODIFIED", "a"], ["ADDED", "b"]],
    );
    equal(resumed[0]!.object.metadata.resourceVersion, second);
    // From before the kill too: that history was read back.
    const again = await api.watch(begin, 3);
    deepEqual(again.map(({ object: { metadata } }) => metadata.name), ["a", "a", "b"]);

    await api.writeMany("b", CHANGES);
    const [refused] = await api.watch(first, 1);
    deepEqual([refused!.type, refused!.object.code, refused!.object.reason], ["ERROR", 410, "Expired"]);
    // What a client does then: list, and watch from there.
    const last = await api.revision();
    await api.write("c", "1");
    const [next] = await api.watch(last, 1);
    deepEqual([next!.type, next!.object.metadata.name], ["ADDED", "c"]);
  },
});

/** The server as the gateway speaks to it, for an administrator. */
class AdminApi implements Disposable {
  readonly #client: Deno.HttpClient;
  readonly #identity: string;

  constructor(socket: string) {
    this.#client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
    const identity = create(VerifiedIdentitySchema, { commonName: "admin", organizations: ["system:masters"] });
    this.#identity = toBinary(VerifiedIdentitySchema, identity).toBase64({ alphabet: "base64url", omitPadding: true });
  }

  async #fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { "k3ts-identity": this.#identity, ...init.headers as Record<string, string> };
    const response = await fetch(`http://api${path}`, { ...init, headers, client: this.#client } as RequestInit);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  }

  /** Of a list. */
  async revision(): Promise<string> {
    const response = await this.#fetch(`${COLLECTION}?limit=1`);
    const { metadata }: { metadata: { resourceVersion: string } } = await response.json();
    return metadata.resourceVersion;
  }

  /** @returns the revision of the write */
  async write(name: string, count: string): Promise<string> {
    const response = await this.#fetch(`${COLLECTION}/${name}?fieldManager=test&force=true`, {
      method: "PATCH",
      headers: { "content-type": "application/apply-patch+yaml" },
      body: JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { count } }),
    });
    const { metadata }: Event["object"] = await response.json();
    return metadata.resourceVersion;
  }

  async writeMany(name: string, count: number): Promise<void> {
    let written = 0;
    await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
      while (written < count) {
        const number = written++;
        const response = await this.#fetch(`${COLLECTION}/${name}`, {
          method: "PATCH",
          headers: { "content-type": "application/merge-patch+json" },
          body: JSON.stringify({ data: { count: `n${number}` } }),
        });
        // Read to its end, so that the connection is used again: each new one takes a thread for a while.
        await response.arrayBuffer();
      }
    }));
  }

  /** The first events after a revision. */
  async watch(from: string, count: number): Promise<Event[]> {
    const response = await this.#fetch(`${COLLECTION}?watch=1&resourceVersion=${from}`);
    const events: Event[] = [];
    const lines = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      const event: Event = JSON.parse(line);
      // A controller writes this one.
      if (event.object.metadata?.name === "kube-root-ca.crt") continue;
      events.push(event);
      if (events.length === count) break;
    }
    return events;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
