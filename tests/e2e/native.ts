/** Native programs of the tests themselves, compiled once for what their sources are. */
import { inTarget } from "@k3ts/tools/cargo";
import { exists } from "@k3ts/tools/files";
import { CACHE, ROOT } from "@k3ts/tools/paths";
import { run } from "@k3ts/tools/run";
import { createHash } from "node:crypto";

export interface TestPrograms {
  /** A cable that can be slow and lossy. */
  relay: string;
  /** A library that shifts the wall clock of what it is loaded into. */
  clock: string;
  /** The device node by which programs make interfaces of their own. */
  tun: string;
}

const SOURCES = ["relay/Cargo.toml", "relay/src/main.rs", "clock/Cargo.toml", "clock/src/lib.rs"];
/** Of /dev/net/tun, which not every machine has a node for (Linux, Documentation/admin-guide/devices.txt). */
const TUN_DEVICE = ["c", "10", "200"];

export async function ensureTestPrograms(say: (line: string) => void = console.error): Promise<TestPrograms> {
  const hash = createHash("sha256").update(`${Deno.build.target}\n`);
  for (const source of SOURCES) hash.update(await Deno.readFile(`${ROOT}/ffi/tests/${source}`));
  const folder = `${CACHE}/test-native/${hash.digest("hex").slice(0, 16)}`;
  const programs = {
    relay: `${folder}/k3ts-test-relay`,
    clock: `${folder}/libk3ts_test_clock.so`,
    tun: `${folder}/tun`,
  };
  if (await exists(folder)) return programs;
  say("Compiling the native parts of the tests: a minute at most, once on this machine.");
  const tail: string[] = [];
  const words = ["build", "--release", "--locked", "-p", "k3ts-test-relay", "-p", "k3ts-test-clock"];
  const staging = `${folder}.${Deno.pid}`;
  await inTarget(async (cargo, target) => {
    const code = await cargo(words, { onLine: (line) => tail.push(line) });
    if (code !== 0) throw new Error(`Cannot compile the native parts of the tests: exit ${code}\n${tail.join("\n")}`);
    await Deno.mkdir(staging, { recursive: true });
    for (const name of ["k3ts-test-relay", "libk3ts_test_clock.so"]) {
      await Deno.copyFile(`${target}/release/${name}`, `${staging}/${name}`);
    }
  });
  const made = await run(["mknod", "-m", "600", `${staging}/tun`, ...TUN_DEVICE]);
  if (made !== 0) throw new Error(`Cannot make a device node for interfaces: mknod ended with exit ${made}`);
  await Deno.rename(staging, folder).catch(async (error) => {
    // Another process finished the same first: its result is as good.
    await Deno.remove(staging, { recursive: true });
    if (!await exists(folder)) throw error;
  });
  return programs;
}

/** What is read by the library that shifts clocks. */
export class Clock {
  private constructor(readonly file: string) {}

  /** As it is. */
  static async make(file: string): Promise<Clock> {
    await Deno.writeFile(file, new Uint8Array(8));
    return new Clock(file);
  }

  /** @param byMs ahead of the time that it is, or behind: at once, for all that run */
  async shift(byMs: number): Promise<void> {
    using file = await Deno.open(this.file, { write: true });
    // In one piece, so that nobody reads half of it.
    await file.write(new Uint8Array(new BigInt64Array([BigInt(byMs) * 1_000_000n]).buffer));
  }
}
