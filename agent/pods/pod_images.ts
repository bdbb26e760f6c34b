/** Which images a pod has, lacks or waits for, and fetching them in the background. */
import type { Container, Pod } from "@k3ts/model/objects";
import { credentialsFor } from "../images/credentials.ts";
import { InvalidImageName } from "../images/reference.ts";
import { explain } from "../log.ts";
import { growBackoffMs } from "./backoff.ts";
import type { NodeParts } from "./machine_parts.ts";
import type { ImageState } from "./observed.ts";
import { pullPolicyOf } from "./plan.ts";

export class PodImages {
  readonly #parts: NodeParts;
  /** Fetches that run or have failed, by reference. */
  readonly #states = new Map<string, ImageState & { backoffMs?: number }>();
  /** References of policy Always that were fetched for a start that is yet to come. */
  readonly #fresh = new Set<string>();

  constructor(parts: NodeParts) {
    this.#parts = parts;
  }

  states(pod: Pod): Map<string, ImageState> {
    const containers: Container[] = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
    const states = new Map<string, ImageState>();
    for (const container of containers) {
      const reference = container.image ?? "";
      const state = this.#stateOf(reference, pullPolicyOf(container) === "Always");
      // Where one container asks for more than another of the same image, the more counts.
      if (states.get(reference)?.state !== "absent") states.set(reference, state);
    }
    return states;
  }

  #stateOf(reference: string, always: boolean): ImageState {
    const known = this.#states.get(reference);
    try {
      const image = this.#parts.images.find(reference);
      // Also when a fetch has failed: it may have been imported since.
      if (image !== undefined && (!always || this.#fresh.has(reference))) return { state: "present", id: image.id };
      return known ?? { state: "absent" };
    } catch (error) {
      if (!(error instanceof InvalidImageName)) throw error;
      return { state: "failed", failure: { reason: "InvalidImageName", message: error.message, retryAt: Infinity } };
    }
  }

  /** Begins to fetch; the worker is poked when it is there, or is not to be had. */
  pull(pod: Pod, reference: string): void {
    const before = this.#states.get(reference);
    if (before?.state === "pulling") return;
    const parts = this.#parts;
    this.#states.set(reference, {
      state: "pulling",
      ...(before?.backoffMs !== undefined && { backoffMs: before.backoffMs }),
    });
    parts.events.tell(pod, "Normal", "Pulling", `Pulling image "${reference}"`);
    const began = parts.now();
    Promise.try(() => parts.images.pull(reference, credentialsFor(pod, reference, parts.references), parts.signal))
      .then((image) => {
        this.#states.delete(reference);
        this.#fresh.add(reference);
        const took = ((parts.now() - began) / 1000).toFixed(3);
        parts.events.tell(
          pod,
          "Normal",
          "Pulled",
          `Successfully pulled image "${reference}" in ${took}s. Image size: ${image.sizeBytes} bytes.`,
        );
      }, (error) => {
        if (parts.signal.aborted) return;
        this.#states.set(reference, this.#failed(reference, before?.backoffMs, error));
        parts.events.tell(pod, "Warning", "Failed", `Failed to pull image "${reference}": ${explain(error)}`);
      }).finally(() => parts.poke(pod.metadata.uid));
  }

  #failed(reference: string, before: number | undefined, error: unknown): ImageState & { backoffMs: number } {
    const backoffMs = growBackoffMs(before ?? 0);
    const again = before !== undefined;
    const message = again ? `Back-off pulling image "${reference}": ${explain(error)}` : explain(error);
    const reason = again ? "ImagePullBackOff" : "ErrImagePull";
    return { state: "failed", failure: { reason, message, retryAt: this.#parts.now() + backoffMs }, backoffMs };
  }

  /** A container has started: with policy Always the next start asks the registry again. */
  used(reference: string): void {
    this.#fresh.delete(reference);
  }
}
