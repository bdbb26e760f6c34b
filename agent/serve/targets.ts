/** Finds the containers that streams are about, and says why there is none. */
import type { Pod } from "@k3ts/model/objects";
import { readJsonIfThere } from "../files.ts";
import { logPathOf, type Paths, podPathsOf } from "../paths.ts";
import type { ContainerTable } from "../pods/container_table.ts";
import type { ObservedContainer } from "../pods/observed.ts";
import type { Sandbox } from "../pods/sandboxes.ts";
import { latestAttempt } from "../pods/container_rules.ts";

/** A stream that cannot be had, with the HTTP status that says so. */
export class StreamError extends Error {
  override name = "StreamError";
  constructor(readonly status: 400 | 404 | 422 | 500 | 503, message: string) {
    super(message);
  }
}

export interface Target {
  namespace: string;
  pod: string;
  /** Empty: the only one, or the first. */
  container: string;
  /** Where it must be this very pod. */
  uid?: string;
}

/** Where a pod's ports are. */
export interface NetworkTarget {
  pod: string;
  uid: string;
  /** The path of its network namespace. Empty: the node's. */
  networkNamespace: string;
}

/** As the kubelet says why there is no log. */
function waitingText(reason: string | undefined): string {
  if (reason === "ErrImagePull") return "image can't be pulled";
  if (reason === "ImagePullBackOff") return "trying and failing to pull image";
  return reason ?? "ContainerCreating";
}

export class Targets {
  readonly #paths: Paths;
  readonly #table: ContainerTable;
  readonly #find: (namespace: string, name: string) => Pod | undefined;

  constructor(paths: Paths, table: ContainerTable, find: (namespace: string, name: string) => Pod | undefined) {
    this.#paths = paths;
    this.#table = table;
    this.#find = find;
  }

  directoryOf(id: string): string {
    return this.#table.directoryOf(id);
  }

  /** The newest attempt of a container that runs now. */
  running(target: Target): ObservedContainer {
    const { latest, name } = this.#latest(target);
    if (latest?.state !== "running") {
      throw new StreamError(400, `container ${name} in pod ${target.pod} is not running`);
    }
    return latest;
  }

  /** Where a container's log lies, and a way to see whether it still grows. */
  log(target: Target, previous: boolean): { path: string; isLive: () => Promise<boolean> } {
    const { latest, name, pod } = this.#latest(target);
    // One that has been made and not started has said nothing yet: what it said in its last life is its log.
    const lives = this.#table.of(pod.metadata.uid).filter((one) => one.container === name && one.state !== "created");
    const current = lives.find((one) => one.attempt === latest?.attempt) ??
      lives.find((one) => one.attempt === (latest?.attempt ?? 0) - 1);
    if (current === undefined && !previous) {
      const reason = pod.status?.containerStatuses?.find((one) => one.name === name)?.state?.waiting?.reason;
      throw new StreamError(
        400,
        `container "${name}" in pod "${target.pod}" is waiting to start: ${waitingText(reason)}`,
      );
    }
    const chosen = previous ? lives.find((one) => one.attempt === (current?.attempt ?? 0) - 1) : current;
    if (chosen === undefined) {
      throw new StreamError(400, `previous terminated container "${name}" in pod "${target.pod}" not found`);
    }
    return {
      path: logPathOf(podPathsOf(this.#paths, pod.metadata.uid), name, chosen.attempt),
      isLive: () => Promise.resolve(this.#isAlive(pod.metadata.uid, chosen.id)),
    };
  }

  /** The network of a pod that runs. */
  async network(target: Target): Promise<NetworkTarget> {
    const { name, uid } = this.#pod(target).metadata;
    const file = `${podPathsOf(this.#paths, uid).sandbox}/sandbox.json`;
    const sandbox = await readJsonIfThere<Pick<Sandbox, "namespaces">>(file);
    const runs = this.#table.of(uid).some((one) => one.state === "running");
    if (sandbox === undefined || !runs) throw new StreamError(400, `pod ${name} must be running: it is not`);
    return { pod: name, uid, networkNamespace: sandbox.namespaces.network };
  }

  /** Of a pod: where its ports are, as others reach it. */
  address(target: Target): string {
    const { metadata, status } = this.#pod(target);
    if (!status?.podIP) throw new StreamError(503, `pod ${metadata.name} must have an address: it has none`);
    return status.podIP;
  }

  /** The table follows the runtime's events: nothing has to be asked. */
  #isAlive(uid: string, id: string): boolean {
    const now = this.#table.of(uid).find((one) => one.id === id);
    return now?.state === "running" || now?.state === "created";
  }

  #pod({ namespace, pod: name, uid }: Target): Pod {
    const pod = this.#find(namespace, name);
    if (pod === undefined || uid !== undefined && pod.metadata.uid !== uid) {
      throw new StreamError(404, `pod "${namespace}/${name}" is not on this node`);
    }
    return pod;
  }

  #latest(target: Target) {
    const pod = this.#pod(target);
    const { pod: podName, container } = target;
    const all = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
    const chosen = container || pod.metadata.annotations?.["kubectl.kubernetes.io/default-container"] || all[0]?.name;
    const name = all.find((one) => one.name === chosen)?.name;
    if (name === undefined) throw new StreamError(400, `container ${chosen} is not valid for pod ${podName}`);
    return { pod, name, latest: latestAttempt(this.#table.of(pod.metadata.uid), name) };
  }
}
