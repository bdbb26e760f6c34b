/** `k3ts up --demo`: runs examples/hello, fetches its page through the Service and shows it. */
import { delay, waitFor } from "@k3ts/client";
import { type Deployment, resources, type Service } from "@k3ts/model";
import type { Connection } from "../connection.ts";
import { ROOT } from "../installation.ts";
import { readManifests } from "../manifests.ts";
import { Problem } from "../problem.ts";
import { FIELD_MANAGER } from "./apply.ts";
import { importImage } from "./image.ts";
import { locate } from "./manifest_objects.ts";

const NAMESPACE = "default";
const NAME = "hello";
const READY_MS_MAX = 120_000;
const FETCH_EVERY_MS = 200;

export async function showDemo(connection: Connection, dataDir: string, signal: AbortSignal): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(READY_MS_MAX)]);
  await provideImage(dataDir);
  for (
    const { object, client, namespace } of await locate(
      await readManifests([`${ROOT}/examples/hello`]),
      connection,
      NAMESPACE,
    )
  ) {
    await client.apply({ ...object, metadata: { ...object.metadata, namespace } }, {
      fieldManager: FIELD_MANAGER,
      force: true,
    });
  }
  console.log(`\nexamples/hello is applied; waiting for its replicas.`);
  await waitFor(connection.clients.of<Deployment>(resources.deployments), NAME, isAvailable, {
    namespace: NAMESPACE,
    signal: deadline,
  }).catch((error) => {
    if (signal.aborted || !deadline.aborted) throw error;
    throw new Problem(`They were not ready within ${READY_MS_MAX / 1000} s.`, "See why with: k3ts describe pods");
  });
  const service = await connection.clients.of<Service>(resources.services).get(NAME, { namespace: NAMESPACE });
  const url = `http://${service.spec?.clusterIP}/`;
  console.log(`\nThe page behind ${url}:\n\n${await fetchPage(url, deadline)}`);
}

/** From this machine's busybox where that is possible, so that the demo needs no registry; else it is pulled. */
async function provideImage(dataDir: string): Promise<void> {
  const file = await Deno.makeTempFile({ prefix: "k3ts-hello-", suffix: ".tar" });
  try {
    const made = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/tools/busybox_image.ts`, file],
      stdout: "null",
      stderr: "null",
    }).output();
    if (made.success) await importImage(dataDir, file);
  } finally {
    await Deno.remove(file);
  }
}

function isAvailable(deployment: Deployment | undefined): boolean {
  const { generation } = deployment?.metadata ?? {};
  const { observedGeneration, availableReplicas = 0, updatedReplicas = 0 } = deployment?.status ?? {};
  const wanted = deployment?.spec?.replicas ?? 1;
  return deployment !== undefined && observedGeneration === generation && availableReplicas >= wanted &&
    updatedReplicas >= wanted;
}

/** The Service's rules follow its endpoints a moment later. */
async function fetchPage(url: string, signal: AbortSignal): Promise<string> {
  while (true) {
    try {
      const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]) });
      const page = await response.text();
      if (response.ok) return page;
    } catch (error) {
      if (signal.aborted) {
        throw new Problem(`The page at ${url} could not be fetched.`, "See why with: k3ts describe pods", {
          cause: error,
        });
      }
    }
    await delay(FETCH_EVERY_MS, signal);
  }
}
