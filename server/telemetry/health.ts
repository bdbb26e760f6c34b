/**
 * Whether the server is alive and ready, check by check, in the form that kube-apiserver has: `/livez`, `/readyz`,
 * `/healthz`, each with `?verbose` and `?exclude=NAME`, and single checks as `/readyz/NAME`.
 */

/** @returns what is wrong; undefined when nothing is */
export type Check = () => string | undefined;

export interface HealthChecks {
  /** What only a restart would mend. */
  live: Readonly<Record<string, Check>>;
  /** What must hold before requests make sense, beside being alive. */
  ready: Readonly<Record<string, Check>>;
}

const TEXT = {
  "content-type": "text/plain; charset=utf-8",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
};

/** @param path without a slash at its end; undefined is returned where it is about something else */
export function respondHealth(path: string, query: URLSearchParams, checks: HealthChecks): Response | undefined {
  const [, endpoint = "", name, ...rest] = path.split("/");
  if (!/^(livez|readyz|healthz)$/.test(endpoint) || rest.length > 0) return undefined;
  const all = endpoint === "livez" ? { ping, ...checks.live } : { ping, ...checks.live, ...checks.ready };
  if (name !== undefined) {
    const check = Object.hasOwn(all, name) ? all[name as keyof typeof all] : undefined;
    return check && answerOne(name, check());
  }
  const excluded = new Set(query.getAll("exclude"));
  const results = Object.entries(all).map(([name, check]) => ({
    name,
    isExcluded: excluded.has(name),
    problem: excluded.has(name) ? undefined : check(),
  }));
  const isWell = results.every(({ problem }) => problem === undefined);
  if (isWell && !query.has("verbose")) return new Response("ok", { headers: TEXT });
  const lines = results.map(({ name, isExcluded, problem }) =>
    problem !== undefined ? `[-]${name} failed: ${problem}` : `[+]${name} ${isExcluded ? "excluded: ok" : "ok"}`
  );
  const unknown = [...excluded].filter((name) => !Object.hasOwn(all, name));
  if (unknown.length > 0) {
    lines.push(
      `warn: some health checks cannot be excluded: no matches for ${
        unknown.map((one) => JSON.stringify(one)).join(", ")
      }`,
    );
  }
  lines.push(`${endpoint} check ${isWell ? "passed" : "failed"}`, "");
  return new Response(lines.join("\n"), { status: isWell ? 200 : 500, headers: TEXT });
}

function ping(): undefined {}

function answerOne(name: string, problem: string | undefined): Response {
  if (problem === undefined) return new Response("ok", { headers: TEXT });
  return new Response(`[-]${name} failed: ${problem}\n`, { status: 500, headers: TEXT });
}
