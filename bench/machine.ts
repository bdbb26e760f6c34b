/** The machine that figures are told of, and what it could do at best. */

export async function describeMachine(): Promise<string> {
  const cpu = (await Deno.readTextFile("/proc/cpuinfo")).match(/^model name\s*: (.*)$/m)?.[1] ?? Deno.build.arch;
  const [load] = (await Deno.readTextFile("/proc/loadavg")).split(" ");
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  return `${navigator.hardwareConcurrency} × ${cpu}, ${memory} GiB, Linux ${Deno.osRelease()}, ` +
    `Deno ${Deno.version.deno}, load ${load}`;
}

/** Durable appends one after another: what a store that syncs each write alone could reach. @returns milliseconds each */
export async function syncTimes(folder: string, count: number, bytes: number): Promise<number[]> {
  const path = `${folder}/sync-times`;
  using file = await Deno.open(path, { create: true, append: true });
  const data = crypto.getRandomValues(new Uint8Array(bytes));
  const times: number[] = [];
  try {
    for (let index = 0; index < count; index++) {
      const begin = performance.now();
      await file.write(data);
      await file.syncData();
      times.push(performance.now() - begin);
    }
  } finally {
    await Deno.remove(path);
  }
  return times;
}
