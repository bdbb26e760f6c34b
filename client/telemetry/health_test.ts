import { deepEqual, equal, match } from "node:assert/strict";
import { answerHealth, type HealthChecks } from "./health.ts";

const sick: HealthChecks = {
  live: { store: () => undefined },
  ready: { plugins: () => "the scheduler has not synced" },
};
const well: HealthChecks = { live: sick.live, ready: { plugins: () => undefined } };

async function ask(path: string, checks: HealthChecks): Promise<[number, string] | undefined> {
  const url = new URL(path, "http://server");
  const answer = await answerHealth(url.pathname, url.searchParams, checks);
  return answer && [answer.status, answer.text];
}

Deno.test("where all is well, that is all that is said", async () => {
  for (const path of ["/livez", "/readyz", "/healthz", "/readyz/ping", "/readyz/plugins"]) {
    const [status, text] = (await ask(path, well))!;
    equal(`${status} ${text}`, "200 ok");
  }
});

Deno.test("what is wrong is named, and only readiness is lost by it", async () => {
  const [status, text] = (await ask("/readyz", sick))!;
  equal(status, 500);
  equal(text, "[+]ping ok\n[+]store ok\n[-]plugins failed: the scheduler has not synced\nreadyz check failed\n");
  equal((await ask("/livez", sick))![0], 200);
});

Deno.test("a check may be left out, and one that does not exist is told of", async () => {
  const [status, text] = (await ask("/readyz?verbose&exclude=plugins&exclude=nonsense", sick))!;
  equal(status, 200);
  match(text, /\[\+\]plugins excluded: ok/);
  match(text, /no matches for "nonsense"/);
});

Deno.test("other paths are not about health", async () => {
  equal(await ask("/readyz/nonsense", well), undefined);
  equal(await ask("/readyz/ping/more", well), undefined);
  equal(await ask("/metrics", well), undefined);
  equal(await ask("/readyz/constructor", well), undefined);
});

Deno.test("a check that throws has failed, and says why on one line", async () => {
  const broken: HealthChecks = {
    live: { store: () => Promise.reject(new Error("the disk is\nfull", { cause: new Error("ENOSPC") })) },
    ready: {},
  };
  deepEqual(await ask("/livez/store", broken), [500, "[-]store failed: the disk is full: ENOSPC\n"]);
});
