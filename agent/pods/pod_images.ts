/** Which images a pod has, lacks or waits for, and fetching them in the background. */
import { explain } from "@k3ts/client/telemetry";
import type { MonotonicTime, Pod } from "@k3ts/model/objects";
import { credentialsFor, mayUse } from "../images/credentials.ts";
import { InvalidImageName } from "../images/reference.ts";
import { growBackoffMs } from "./backoff.ts";
import { containersOf, pullPolicyOf } from "./container_rules.ts";
import type { NodeParts } from "./machine_parts.ts";
import type { Failure, ImageState } from "./observed.ts";

/** How long a fetch that failed is called ErrImagePull, before it is called ImagePullBackOff. */
const ERROR_MS = 3_000;

type Fetch =
  | { state: "pulling"; before?: Failed }
  | { state: "failed"; failed: Failed };

interface Failed {
  message: string;
  at: MonotonicTime;
  backoffMs: number;
  tries: number;
}

export class PodImages {
  readonly #parts: NodeParts;
  /** Fetches that run or have failed, by reference. */
  readonly #fetches = new Map<string, Fetch>();
  /** References of policy Always that were fetched for a start that is yet to come. */
  readonly #fresh = new Set<string>();
  /** References that people have been told of as being here already, by container. */
  readonly #told = new Set<string>();

  constructor(parts: NodeParts) {
    this.#parts = parts;
  }

  states(pod: Pod): Map<string, ImageState> {
    const states = new Map<string, ImageState>();
    const add = (reference: string, policy: string) => {
      const state = this.#stateOf(pod, reference, policy === "Always");
      // Where one container asks for more than another of the same image, the more counts.
      if (states.get(reference)?.state !== "absent") states.set(reference, state);
    };
    for (const { container } of containersOf(pod)) add(container.image ?? "", pullPolicyOf(container));
    for (const { image } of pod.spec?.volumes ?? []) {
      if (image?.reference === undefined || image.reference === "") continue;
      const { pullPolicy } = image;
      add(
        image.reference,
        pullPolicyOf({ image: image.reference, ...(pullPolicy !== undefined && { imagePullPolicy: pullPolicy }) }),
      );
    }
    return states;
  }

  #stateOf(pod: Pod, reference: string, always: boolean): ImageState {
    const fetch = this.#fetches.get(reference);
    try {
      const image = this.#parts.images.find(reference);
      // Also when a fetch has failed: it may have been imported since.
      const isFor = image !== undefined &&
        (this.#fresh.has(reference) || (!always && mayUse(pod, reference, image, this.#parts.references)));
      if (isFor) return { state: "present", id: image.id };
    } catch (error) {
      if (!(error instanceof InvalidImageName)) throw error;
      return { state: "failed", failure: { reason: "InvalidImageName", message: error.message, retryAt: Infinity } };
    }
    if (fetch === undefined) return { state: "absent" };
    if (fetch.state === "failed") return { state: "failed", failure: this.#describe(reference, fetch.failed) };
    return { state: "pulling", ...(fetch.before && { failure: this.#describe(reference, fetch.before) }) };
  }

  /** ErrImagePull at first, then ImagePullBackOff with the error in its message, as the kubelet says it. */
  #describe(reference: string, { message, at, backoffMs, tries }: Failed): Failure {
    const turnsAt = at + ERROR_MS;
    const common = { retryAt: at + backoffMs, turnsAt, tries };
    if (this.#parts.clock.monotonic() < turnsAt) return { reason: "ErrImagePull", message, ...common };
    return {
      reason: "ImagePullBackOff",
      message: `Back-off pulling image "${reference}": ErrImagePull: ${message}`,
      ...common,
    };
  }

  /** Begins to fetch; the worker is poked when it is there, or is not to be had. */
  pull(pod: Pod, reference: string, container: string | undefined): void {
    const known = this.#fetches.get(reference);
    if (known?.state === "pulling") return;
    const parts = this.#parts;
    this.#fetches.set(reference, { state: "pulling", ...(known !== undefined && { before: known.failed }) });
    parts.events.tell(pod, "Normal", "Pulling", `Pulling image "${reference}"`, container);
    const began = parts.clock.monotonic();
    const credentials = () => credentialsFor(pod, reference, parts.references);
    Promise.try(() => parts.images.pull(reference, credentials(), parts.signal))
      .then(({ image, tookMs }) => {
        this.#fetches.delete(reference);
        this.#fresh.add(reference);
        const waited = parts.clock.monotonic() - began;
        parts.events.tell(
          pod,
          "Normal",
          "Pulled",
          `Successfully pulled image "${reference}" in ${inGo(tookMs)} (${inGo(waited)} including waiting). ` +
            `Image size: ${image.sizeBytes} bytes.`,
          container,
        );
        if (container !== undefined) this.#told.add(container);
      }, (error) => {
        if (parts.signal.aborted) return;
        const message = explain(error);
        this.#fetches.set(reference, {
          state: "failed",
          failed: {
            message,
            at: parts.clock.monotonic(),
            backoffMs: growBackoffMs(known?.failed.backoffMs ?? 0),
            tries: (known?.failed.tries ?? 0) + 1,
          },
        });
        parts.events.tell(pod, "Warning", "Failed", `Failed to pull image "${reference}": ${message}`, container);
      }).finally(() => parts.poke(pod.metadata.uid));
  }

  /** A container is about to start: with policy Always the next start asks the registry again. */
  use(pod: Pod, reference: string, container: string): void {
    this.#fresh.delete(reference);
    if (this.#told.delete(container)) return;
    const message = `Container image "${reference}" already present on machine and can be accessed by the pod`;
    this.#parts.events.tell(pod, "Normal", "Pulled", message, container);
  }
}

/** As Go writes durations. */
function inGo(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(3).replace(/\.?0+$/, "")}s`;
}
