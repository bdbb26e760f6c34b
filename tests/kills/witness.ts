/** Clients of the demo's Service, in a process of their own on the node. */
import { TextLineStream } from "@k3ts/tools/lines";
import { signalIfAlive } from "@k3ts/tools/run";
import { ROOT, type TestMachine } from "../e2e/machine.ts";
import type { Seen } from "./witness_main.ts";

export interface Witnessed {
  /** By URL; and `dns`, and `connect` where there is an API. */
  seen: Record<string, Seen>;
  failures: Failure[];
}

export interface Failure {
  /** Milliseconds since the epoch. */
  at: number;
  /** As in {@link Witnessed.seen}. */
  what: string;
  message: string;
}

export interface WitnessOptions {
  /** Between requests of one kind. @default 100 */
  everyMs?: number;
  /** For a page. @default 2000 */
  patienceMs?: number;
}

export class Witness implements AsyncDisposable {
  /** What it says, which is read as it comes: who is not read is held up. */
  readonly #lines: Promise<string[]>;

  private constructor(readonly child: Deno.ChildProcess) {
    this.#lines = Array.fromAsync(child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()));
  }

  /**
   * Fetches the page by ClusterIP and by NodePort, and asks for the Service's name.
   * @param cluster its first machine, started with `--demo` @param on where clients sit
   */
  static async start(cluster: TestMachine, on: TestMachine = cluster): Promise<Witness> {
    await cluster.says("Hello from k3ts");
    await cluster.kubectl("patch", "service", "hello", "-p", '{"spec":{"type":"NodePort"}}');
    const of = (path: string, ...object: string[]) => cluster.kubectl("get", ...object, "-o", `jsonpath={${path}}`);
    const address = await of(".spec.clusterIP", "service", "hello");
    const port = await of(".spec.ports[0].nodePort", "service", "hello");
    // A NodePort is not served on loopback, which is all that the machine has beside the pods' bridge.
    const bridge = (await of(".spec.podCIDR", "node", on.name)).replace(/0\/\d+$/, "1");
    const urls = [`http://${address}/`, `http://${bridge}:${port}/`];
    return await Witness.of(cluster, on, urls, "hello.default.svc.cluster.local");
  }

  /** Fetches pages on a machine, and asks its resolver for a name. */
  static async of(
    cluster: TestMachine,
    on: TestMachine,
    urls: readonly string[],
    name: string,
    options: WitnessOptions = {},
  ): Promise<Witness> {
    const resolver = /^dns: +(\S+)/m.exec(await cluster.k3ts("cluster", "info"))![1]!;
    const script = ["--config", `${ROOT}/deno.json`, `${ROOT}/tests/kills/witness_main.ts`];
    const api = on === cluster ? ["--api", "6443"] : [];
    const pace = ["--every", `${options.everyMs ?? 100}`, "--patience", `${options.patienceMs ?? 2000}`];
    const words = [...script, "--name", name, "--resolver", resolver, ...api, ...pace, ...urls];
    const run = [Deno.execPath(), "run", "--quiet", "-A", ...words];
    return new Witness(on.command(run, { stdin: "null", stderr: "inherit" }).spawn());
  }

  /** Ends it. @returns what it saw */
  async conclude(): Promise<Witnessed> {
    this.child.kill("SIGTERM");
    const lines = await this.#lines;
    await this.child.status;
    const failures = lines.slice(0, -1).map((line) => {
      const [, at, what, message] = /^(\S+) (\S+): (.*)$/.exec(line) ?? [, "", line, ""];
      return { at: Date.parse(at!), what: what!, message: message! };
    });
    return { seen: JSON.parse(lines.at(-1)!), failures };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    signalIfAlive(this.child, "SIGKILL");
    await this.child.status;
  }
}
