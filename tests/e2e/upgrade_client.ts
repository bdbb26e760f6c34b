/**
 * Asks in four ways, again and again, until it is killed: on new connections, on one that is kept, for a name by UDP and
 * by TCP. Prints how often each was answered; whatever fails ends it. Reads the credentials from standard input.
 */
import { ask } from "../dns/query.ts";

export type Way = "fresh" | "kept" | "udp" | "tcp";

const URL = "https://127.0.0.1:6443/api/v1/namespaces/default/configmaps";
const NAME = "kubernetes.default.svc.cluster.local.";
const TELL_EVERY_MS = 100;

async function list(client: Deno.HttpClient): Promise<void> {
  const response = await fetch(URL, { client });
  const { kind } = await response.json();
  if (kind !== "ConfigMapList") throw new Error(`${response.status} ${kind}`);
}

async function resolve(transport: "udp" | "tcp"): Promise<void> {
  const { code, answers } = await ask(NAME, "A", { host: "10.43.0.10", port: 53, transport });
  if (code !== 0 || answers.length !== 1) throw new Error(`${NAME} is ${code} ${answers}`);
}

if (import.meta.main) {
  const { ca, cert, key } = JSON.parse(await new Response(Deno.stdin.readable).text());
  const connect = () => Deno.createHttpClient({ caCerts: [ca], cert, key });
  const kept = connect();
  const ways: Record<Way, () => Promise<void>> = {
    async fresh() {
      using client = connect();
      await list(client);
    },
    kept: () => list(kept),
    udp: () => resolve("udp"),
    tcp: () => resolve("tcp"),
  };
  const served: Record<Way, number> = { fresh: 0, kept: 0, udp: 0, tcp: 0 };
  setInterval(() => console.log(JSON.stringify(served)), TELL_EVERY_MS);
  const forever = async (way: Way) => {
    for (;;) {
      await ways[way]();
      served[way]++;
    }
  };
  await Promise.all([forever("fresh"), forever("kept"), forever("udp"), forever("tcp")]);
}
