/** h2load, a load tool for HTTP/2. */
export interface H2loadOptions {
  program: string;
  url: string;
  connections: number;
  streams: number;
  requests: number;
}

/** @throws when requests fail */
export async function h2load(
  { program, url, connections, streams, requests }: H2loadOptions,
): Promise<{ perSecond: number; meanMs: number }> {
  const args = ["-n", String(requests), "-c", String(connections), "-m", String(streams), "-t", "1", url];
  const { code, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  const text = new TextDecoder().decode(stdout);
  if (code !== 0 || !text.includes(` ${requests} 2xx`)) {
    throw new Error(`h2load ${url} must have ${requests} answers:\n${text}${new TextDecoder().decode(stderr)}`);
  }
  const perSecond = Number(/finished in \S+, ([\d.]+) req\/s/.exec(text)?.[1] ?? NaN);
  const [, value, unit] = /time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)/.exec(text) ?? [];
  return { perSecond, meanMs: Number(value ?? NaN) * { us: 0.001, ms: 1, s: 1000 }[unit as "us" | "ms" | "s"] };
}
