/**
 * Asks a control plane again and again whether it is ready, until it lists a pod. Reads `Input`, writes the time, in
 * milliseconds since the epoch, at which it first did.
 */
import { loadKubeconfig } from "@k3ts/client";

export interface Input {
  kubeconfig: string;
}

const EVERY_MS = 10;
const MS_MAX = 300_000;

const input: Input = JSON.parse(await new Response(Deno.stdin.readable).text());
const deadline = Date.now() + MS_MAX;
let last: unknown;

async function answers(): Promise<boolean> {
  try {
    // A new cluster writes it when it has its certificates.
    const { url, caCertificate, certificate, key } = await loadKubeconfig({ path: input.kubeconfig });
    using client = Deno.createHttpClient({ caCerts: [caCertificate!], cert: certificate!, key: key! });
    for (const path of ["/readyz", "/api/v1/pods?limit=1"]) {
      const response = await fetch(`${url}${path}`, { client, signal: AbortSignal.timeout(5_000) });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text}`);
    }
    return true;
  } catch (error) {
    last = error;
    return false;
  }
}

while (!await answers()) {
  if (Date.now() > deadline) throw new Error(`No answer within ${MS_MAX / 1000} s`, { cause: last });
  await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
}
console.log(Date.now());
Deno.exit(0);
