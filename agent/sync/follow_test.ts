import { deepEqual, equal } from "node:assert/strict";
import { delay } from "@k3ts/client";
import { createLog } from "@k3ts/client/telemetry";
import type { Pod } from "@k3ts/model/objects";
import { aPod } from "@k3ts/model/testing";
import { inDirectory } from "../testing/in_directory.ts";
import { saver } from "./follow.ts";
import { SavedObjects } from "./saved_objects.ts";

const LOG = createLog(() => {}, () => 0);

Deno.test("what cannot be saved is saved as soon as it can, as the server has it by then", () =>
  inDirectory(async (directory, files) => {
    const ended = new AbortController();
    try {
      const saved = new SavedObjects<Pod>(`${directory}/pods`, files, LOG);
      await saved.open();
      const onServer = new Map<string, Pod>();
      const failures: unknown[] = [];
      const save = saver<Pod>({
        saved,
        get: (_namespace, name) => onServer.get(name),
        failed: (error) => failures.push(error),
      }, ended.signal);
      const changed = (name: string, resourceVersion?: string) => {
        const pod = aPod({ name });
        const labels = { version: resourceVersion ?? "" };
        const object = { ...pod, metadata: { ...pod.metadata, labels, resourceVersion: resourceVersion ?? "0" } };
        if (resourceVersion === undefined) onServer.delete(name);
        else onServer.set(name, object);
        save(object);
      };
      const versions = () => saved.list().map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`).sort();
      changed("a", "1");
      changed("b", "2");
      while (versions().length < 2) await delay(1);

      await Deno.rename(`${directory}/pods`, `${directory}/away`);
      changed("a", "3");
      changed("c", "4");
      changed("c");
      changed("a", "5");
      while (failures.length < 3) await delay(1);
      deepEqual(versions(), ["a 1", "b 2"]);
      await Deno.rename(`${directory}/away`, `${directory}/pods`);
      changed("b");
      while (!versions().includes("a 5") || versions().length > 1) await delay(1);
      const again = new SavedObjects<Pod>(`${directory}/pods`, files, LOG);
      await again.open();
      equal(again.list()[0]?.metadata.resourceVersion, "5");
    } finally {
      ended.abort();
    }
  }));
