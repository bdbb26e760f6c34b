/** Test images on a node: taken over as what they are, or not at all; and that this shows where k3ts is broken. */
import { deepEqual, equal, match } from "node:assert/strict";
import { ensureImages, importImages } from "@k3ts/tools/images";
import { eventually, TestCluster } from "../e2e/cluster.ts";
import { mustRun } from "../e2e/sweep.ts";
import { brokenTree, type Fault } from "./broken_tree.ts";

const NAME = "an image is on a node what it was made as, and one that was damaged is refused";
const BUSYBOX = "busybox:1.37.0-1";

Deno.test(NAME, async () => {
  await using cluster = await TestCluster.start();
  const [image, layout] = [...await ensureImages([BUSYBOX])][0]!;

  const damaged = `${cluster.dataDir}/damaged`;
  await damage(layout, damaged);
  const { code, stdout, stderr } = await cluster.tryK3ts("image", "import", damaged, "--data-dir", cluster.dataDir);
  deepEqual([code, stdout], [1, ""], "a damaged image was taken");
  match(stderr, /its digest must be sha256:/);

  await importImages([cluster], [BUSYBOX]);
  // A program of the upper layer, which runs one of the lower and looks at a folder of that.
  const command = ["bash", "-c", "stat -c %a /tmp"];
  await cluster.apply({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "layers" },
    spec: { restartPolicy: "Never", containers: [{ name: "main", image, imagePullPolicy: "Never", command }] },
  });
  const state = "jsonpath={.status.phase} {.status.containerStatuses[*].state.waiting.message}";
  const ended = await eventually(async () => {
    const now = await cluster.kubectl("get", "pod", "layers", "-o", state);
    match(now, /^Succeeded|^Failed|Cannot create container/);
    return now;
  }, 60);
  equal(ended, "Succeeded ");
  equal(await cluster.kubectl("logs", "layers"), "1777\n");
});

/** k3ts as it is here, but for a fault. @returns what the test above says of it */
async function saidOf(fault: Fault): Promise<string> {
  await using tree = await brokenTree([fault]);
  const words = ["test", "-A", "--quiet", "--no-check", "--filter", NAME, "tests/instruments/image_import_test.ts"];
  const { code, stdout, stderr } = await tree.run(words, { env: { NO_COLOR: "1" } });
  equal(code, 1, `${stdout}${stderr}`);
  match(stdout, /0 passed \| 1 failed/);
  return stdout;
}

Deno.test("a node that takes content for what it is called is found", async () => {
  const said = await saidOf({
    file: "agent/images/blobs.ts",
    find: "if (found !== digest) throw new Error(`Cannot take",
    replace: "if (found === undefined) throw new Error(`Cannot take",
  });
  match(said, /a damaged image was taken/);
});

Deno.test("a node that unpacks only a part of an image is found", async () => {
  const said = await saidOf({
    file: "agent/images/images.ts",
    find: "      layers,\n      blobs:",
    replace: "      layers: layers.slice(0, 1),\n      blobs:",
  });
  match(said, /Cannot create container \S+: executable file `bash` not found/);
});

Deno.test("a node that calls an image by another's name is found", async () => {
  const said = await saidOf({
    file: "agent/images/layout.ts",
    find: "names: [canonicalName(reference)],",
    replace: "names: [`${canonicalName(reference)}-new`],",
  });
  match(said, /Cannot use the images on n1 as it must have \S+busybox:1\.37\.0-1: it has/);
});

/** The same image, with a letter of its configuration changed. */
async function damage(layout: string, to: string): Promise<void> {
  await mustRun(["cp", "-r", layout, to]);
  const blob = (digest: string) => `${to}/blobs/sha256/${digest.slice("sha256:".length)}`;
  const read = async (path: string) => JSON.parse(await Deno.readTextFile(path));
  const [manifest] = (await read(`${to}/index.json`)).manifests;
  const { config } = await read(blob(manifest.digest));
  const path = blob(config.digest);
  const text = await Deno.readTextFile(path);
  const other = text.replace("/usr/local", "/usr/lokal");
  equal(other.length === text.length && other !== text, true);
  await Deno.remove(path); // which may be the same file as the one that is sound
  await Deno.writeTextFile(path, other);
}
