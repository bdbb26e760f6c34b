/** Controllers at work on a test's cluster, each under its own identity. */
import { createResourceClient } from "@k3ts/client";
import { type Controller, type Daemon, READER, SharedInformers, startController } from "../sdk/mod.ts";
import type { TestCluster } from "./cluster.ts";

/** What a controller could not do. */
export interface Failure {
  controller: string;
  /** `namespace/name` of what it was about. */
  about: string;
  error: Error;
}

export interface RunningControllers extends AsyncDisposable {
  /** Everything that went wrong so far; a test of what should go well expects none. */
  readonly failures: readonly Failure[];
  /** Ends them all, and waits until they have ended. */
  stop(): Promise<void>;
}

/**
 * Starts controllers, and resolves when each knows the state of the cluster.
 *
 * ```ts
 * await using cluster = await testCluster();
 * await using running = await runControllers(cluster, [replicaset]);
 * ```
 */
export async function runControllers(
  cluster: TestCluster,
  controllers: readonly (Controller | Daemon)[],
): Promise<RunningControllers> {
  const ending = new AbortController();
  const signal = AbortSignal.any([cluster.signal, ending.signal]);
  const failures: Failure[] = [];
  const informers = new SharedInformers(
    cluster.as(READER),
    signal,
    (error) => failures.push({ controller: "informers", about: "", error }),
  );
  const synced = controllers.map(() => Promise.withResolvers<void>());
  const ended = controllers.map((controller, index) =>
    startController(controller, {
      informers,
      clients: createResourceClient(cluster.transport(controller.user), { fieldManager: controller.component }),
      clock: cluster.clock,
      onSynced: () => synced[index]!.resolve(),
      onFailure: (about, error) => failures.push({ controller: controller.name, about, error }),
    }, signal).catch((error) => synced[index]!.reject(error))
  );
  const stop = async () => {
    ending.abort(new Error("the controllers are stopped"));
    await Promise.all(ended);
  };
  await Promise.all(synced.map(({ promise }) => promise));
  return { failures, stop, [Symbol.asyncDispose]: stop };
}
