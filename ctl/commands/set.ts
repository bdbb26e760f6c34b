/** `k3ts set image`: other images for the containers of a workload or pod. */
import type { Command } from "commander";
import type { KubernetesObject } from "@k3ts/client";
import type { PodSpec } from "@k3ts/model/objects";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { parseDryRun } from "../dry_run.ts";
import { displayName } from "../names.ts";
import { parseObjectFormat } from "../output/format.ts";
import { Problem } from "../problem.ts";
import { type SelectionOptions, selectionOptions, selectObjects } from "./selected_objects.ts";
import { tell, type WriteOptions, writeOptions } from "./written.ts";

type SetOptions = SelectionOptions & WriteOptions;

export function registerSet(program: Command): void {
  const set = program.command("set").description("change what is often changed");
  writeOptions(selectionOptions(set.command("image <resource...>")))
    .description("other images: k3ts set image deploy/web app=web:2; *=IMAGE for all containers")
    .action((words: string[], options: SetOptions) =>
      withCluster(options, (connection, namespace) => setImage(words, options, connection, namespace))
    );
}

type WithTemplate = KubernetesObject & { kind?: string; spec?: PodSpec & { template?: { spec?: PodSpec } } };

async function setImage(words: string[], options: SetOptions, connection: Connection, home: string): Promise<void> {
  const images = new Map<string, string>();
  for (const word of words.filter((word) => word.includes("="))) {
    const at = word.indexOf("=");
    if (at === 0 || at === word.length - 1) {
      throw new Problem(`An image is named as CONTAINER=IMAGE: "${word}" is not.`);
    }
    images.set(word.slice(0, at), word.slice(at + 1));
  }
  if (images.size === 0) throw new Problem("An image must be named: CONTAINER=IMAGE.");
  const dryRun = parseDryRun(options.dryRun);
  const format = parseObjectFormat(options.output);
  const targets = words.filter((word) => !word.includes("="));
  for (
    const { resource, object, client, namespace } of await selectObjects(targets, options, connection, home, "set")
  ) {
    const name = object.metadata.name!;
    const before = await client.get(name, { namespace }) as WithTemplate;
    const patch = imagePatch(displayName(resource, name), before, images);
    const after = dryRun === "client"
      ? before
      : await client.patch(name, { namespace, type: "strategic", patch, dryRun: dryRun === "server" });
    const isSame = before.metadata.resourceVersion === after.metadata.resourceVersion && dryRun !== "client";
    tell(resource, after, isSame ? "image not updated" : "image updated", dryRun, format);
  }
}

/** @throws {Problem} when it has no such container */
export function imagePatch(name: string, object: WithTemplate, images: ReadonlyMap<string, string>): unknown {
  const spec = object.spec?.template?.spec ?? object.spec;
  if (spec?.containers === undefined) throw new Problem(`${name} has no containers.`);
  const all = [...spec.containers, ...spec.initContainers ?? []].map((container) => container.name);
  for (const container of images.keys()) {
    if (container !== "*" && !all.includes(container)) {
      throw new Problem(`${name} has no container "${container}": it has ${all.join(", ")}.`);
    }
  }
  const changed = (containers: PodSpec["containers"] = []) =>
    containers.flatMap((container) => {
      const image = images.get(container.name) ?? images.get("*");
      return image === undefined ? [] : [{ name: container.name, image }];
    });
  const [containers, initContainers] = [changed(spec.containers), changed(spec.initContainers)];
  const inner = { ...(containers.length > 0 && { containers }), ...(initContainers.length > 0 && { initContainers }) };
  return object.spec?.template === undefined ? { spec: inner } : { spec: { template: { spec: inner } } };
}
