/** The plugin's end of the conversation with its host: controllers in a process without permissions. */
import { create } from "@bufbuild/protobuf";
import { createResourceClient } from "@k3ts/client";
import { explain, keepProcessMetrics, Metrics } from "@k3ts/client/telemetry";
import { systemClock } from "@k3ts/model/objects";
import {
  MetricsService,
  PluginLog_Level,
  PluginLogSchema,
  PluginService,
  type RunResponse,
  RunResponseSchema,
} from "@k3ts/proto";
import { connectFrames, stdioChannel } from "@k3ts/proto/frames";
import type { Controller } from "./controller.ts";
import { ControllerMetrics } from "./controller_metrics.ts";
import type { Daemon } from "./daemon.ts";
import { SharedInformers } from "./informers.ts";
import { startController } from "./start.ts";

/** Reports that wait for a host that does not read; more are dropped, as logs may be. */
const REPORTS_MAX = 1_000;

/** What controllers that hand it out are given. */
export interface ClusterFacts {
  /** PEM. */
  caCertificate: string;
}

/** As whom the shared informers read. What a controller writes it writes as itself. */
export const READER = "system:kube-controller-manager";

/** Serves the host until it goes away. @param controllers made once the host has told about the cluster; described from the same function beforehand */
export async function servePlugins(
  controllers: (facts: ClusterFacts) => readonly (Controller | Daemon)[],
): Promise<void> {
  const metrics = new Metrics();
  keepProcessMetrics(metrics);
  const watches = new ControllerMetrics(metrics);
  const connection = connectFrames(stdioChannel(), {
    side: "listener",
    routes: (router) => {
      router.service(PluginService, {
        describe: () => ({ controllers: controllers({ caCertificate: "" }).map(({ name, user }) => ({ name, user })) }),
        run: ({ caCertificate, leastLevel }, context) =>
          run(controllers({ caCertificate }), leastLevel || PluginLog_Level.INFO, context.signal),
      });
      router.service(MetricsService, { getMetrics: async () => ({ text: await metrics.render() }) });
    },
  });
  const { transport } = connection;

  async function* run(
    running: readonly (Controller | Daemon)[],
    leastLevel: PluginLog_Level,
    signal: AbortSignal,
  ): AsyncGenerator<RunResponse> {
    const reports = new Reports();
    const log = (
      line: { level: PluginLog_Level; controller: string; message: string; object?: string; error?: string },
    ) => {
      if (line.level >= leastLevel) reports.add({ case: "log", value: create(PluginLogSchema, line) });
    };
    const informers = new SharedInformers(
      createResourceClient(transport, { identity: READER, tellsTrace: true }),
      signal,
      (error) =>
        log({
          level: PluginLog_Level.WARN,
          controller: "informers",
          message: "Cannot follow the server",
          error: explain(error),
        }),
    );
    for (const controller of running) {
      startController(controller, {
        informers,
        clients: createResourceClient(transport, {
          identity: controller.user,
          fieldManager: controller.component,
          tellsTrace: true,
        }),
        clock: systemClock,
        onSynced: () => {
          watches.synced(controller.name);
          reports.add({ case: "controllerSynced", value: controller.name });
        },
        onFailure: (object, error) =>
          log({
            level: PluginLog_Level.WARN,
            controller: controller.name,
            message: "Cannot reconcile an object",
            object,
            error: explain(error),
          }),
        onReconciled: (object, { actions }) =>
          log({
            level: PluginLog_Level.DEBUG,
            controller: controller.name,
            message: `Did ${actions.map((action) => action.do).join(", ")}`,
            object,
          }),
        watch: watches.of(controller.name, "attempts" in controller ? controller.attempts : undefined),
      }, signal).catch((error) => reports.fail(error));
    }
    yield* reports.until(signal);
  }

  await connection.closed;
}

class Reports {
  #queued: RunResponse[] = [];
  #wake = Promise.withResolvers<void>();
  #error: unknown;

  add(report: RunResponse["report"]): void {
    if (this.#queued.length < REPORTS_MAX) this.#queued.push(create(RunResponseSchema, { report }));
    this.#wake.resolve();
  }

  /** A controller that cannot go on ends the process: the host starts it anew. */
  fail(error: unknown): void {
    this.#error = error;
    this.#wake.resolve();
  }

  async *until(signal: AbortSignal): AsyncGenerator<RunResponse> {
    const onAbort = () => this.#wake.resolve();
    signal.addEventListener("abort", onAbort);
    try {
      while (!signal.aborted) {
        await this.#wake.promise;
        this.#wake = Promise.withResolvers<void>();
        yield* this.#queued.splice(0);
        if (this.#error !== undefined) throw this.#error;
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}
