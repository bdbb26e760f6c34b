/** Fetches a page ten times a second, each time over a new connection, and prints every failure; ends, with a count, at SIGTERM, though not before it has asked often enough to tell anything. */
const [url] = Deno.args as [string];
const EVERY_MS = 100;
const TIMEOUT_MS = 2_000;
const REQUESTS_MIN = 60;

let fetched = 0;
let failed = 0;
const pending = new Set<Promise<void>>();

async function fetchOnce(): Promise<void> {
  const at = new Date().toISOString();
  try {
    const response = await fetch(url, { headers: { connection: "close" }, signal: AbortSignal.timeout(TIMEOUT_MS) });
    await response.text();
    if (!response.ok) throw new Error(`status ${response.status}`);
    fetched++;
  } catch (error) {
    failed++;
    console.log(`${at} ${(error as Error).message}`);
  }
}

let asked = 0;
const enough = Promise.withResolvers<void>();
const timer = setInterval(() => {
  const one = fetchOnce().finally(() => pending.delete(one));
  pending.add(one);
  if (++asked >= REQUESTS_MIN) enough.resolve();
}, EVERY_MS);
Deno.addSignalListener("SIGTERM", async () => {
  await enough.promise;
  clearInterval(timer);
  await Promise.all(pending);
  console.log(JSON.stringify({ fetched, failed }));
  Deno.exit();
});
