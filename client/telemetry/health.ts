/**
 * Whether a process is alive and ready, check by check, in the form that Kubernetes's components have: `/livez`,
 * `/readyz`, `/healthz`, each with `?verbose` and `?exclude=NAME`, and single checks as `/readyz/NAME`.
 */
import { delay } from "../backoff.ts";
import { explain } from "./log.ts";

/** @returns what is wrong; undefined when nothing is */
export type Check = () => string | undefined | Promise<string | undefined>;

export interface HealthChecks {
  /** What only a restart would mend. */
  live: Readonly<Record<string, Check>>;
  /** What must hold before requests make sense, beside being alive. */
  ready: Readonly<Record<string, Check>>;
}

export interface HealthAnswer {
  status: 200 | 500;
  text: string;
}

/** What has not been found out by then is not well. */
const CHECK_MS_MAX = 5_000;

/** @param path without a slash at its end; undefined is returned where it is about something else */
export async function answerHealth(
  path: string,
  query: URLSearchParams,
  checks: HealthChecks,
): Promise<HealthAnswer | undefined> {
  const [, endpoint = "", name, ...rest] = path.split("/");
  if (!/^(livez|readyz|healthz)$/.test(endpoint) || rest.length > 0) return undefined;
  const all: Record<string, Check> = {
    ping: () => undefined,
    ...checks.live,
    ...(endpoint === "livez" ? {} : checks.ready),
  };
  if (name !== undefined) return Object.hasOwn(all, name) ? answerOne(name, await look(all[name]!)) : undefined;
  const excluded = new Set(query.getAll("exclude"));
  const results = await Promise.all(
    Object.entries(all).map(async ([name, check]) => ({
      name,
      isExcluded: excluded.has(name),
      problem: excluded.has(name) ? undefined : await look(check),
    })),
  );
  const isWell = results.every(({ problem }) => problem === undefined);
  if (isWell && !query.has("verbose")) return { status: 200, text: "ok" };
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
  return { status: isWell ? 200 : 500, text: lines.join("\n") };
}

function answerOne(name: string, problem: string | undefined): HealthAnswer {
  return problem === undefined ? { status: 200, text: "ok" } : { status: 500, text: `[-]${name} failed: ${problem}\n` };
}

/** A check that cannot be made has failed too. */
async function look(check: Check): Promise<string | undefined> {
  const ending = new AbortController();
  const late = delay(CHECK_MS_MAX, ending.signal).then(() => `it was not found out within ${CHECK_MS_MAX / 1000} s`);
  late.catch(() => {}); // called off
  try {
    const problem = await Promise.race([Promise.try(check), late]);
    return problem?.replaceAll("\n", " ");
  } catch (error) {
    return explain(error).replaceAll("\n", " ");
  } finally {
    ending.abort();
  }
}
