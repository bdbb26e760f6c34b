/** Runs programs for the other tools: with their output passed through, kept, or watched line by line. */
import { eachLine } from "./lines.ts";

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Called for every line of standard output and error. @default the line is printed */
  onLine?: (line: string) => void;
  /** Ends the program with SIGTERM. */
  signal?: AbortSignal;
}

/** @returns the exit code; a program that cannot be started throws, naming it. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<number> {
  const [program, ...args] = command as [string, ...string[]];
  const onLine = options.onLine ?? ((line: string) => console.log(line));
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args,
      cwd: options.cwd,
      env: options.env,
      signal: options.signal,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    })
      .spawn();
  } catch (error) {
    throw new Error(`Cannot run "${program}" as it is not installed or not executable`, { cause: error });
  }
  await Promise.all([eachLine(child.stdout, onLine), eachLine(child.stderr, onLine)]);
  return (await child.status).code;
}

/** The standard output of a program, trimmed. @throws with its standard error when it fails */
export async function output(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const [program, ...args] = command as [string, ...string[]];
  const { cwd, env, signal } = options;
  const result = await new Deno.Command(program, { args, cwd, env, signal, stdin: "null" }).output();
  if (!result.success) {
    throw new Error(
      `Cannot ${command.join(" ")}: exit ${result.code}: ${new TextDecoder().decode(result.stderr).trim()}`,
    );
  }
  return new TextDecoder().decode(result.stdout).trim();
}

/** A process that has ended by itself needs no signal. */
export function signalIfAlive(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

/** Tells a process to end, and kills it when it has not within its time. @returns how it has ended */
export async function end(
  child: Deno.ChildProcess,
  { signal = "SIGTERM", msMax }: { signal?: Deno.Signal; msMax: number },
): Promise<Deno.CommandStatus> {
  signalIfAlive(child, signal);
  const late = setTimeout(() => signalIfAlive(child, "SIGKILL"), msMax);
  try {
    return await child.status;
  } finally {
    clearTimeout(late);
  }
}

/** Where a program lies on the PATH. */
export async function which(program: string): Promise<string | undefined> {
  const folders = (Deno.env.get("PATH") ?? "").split(":").concat("/usr/sbin", "/sbin");
  for (const folder of folders) {
    const path = `${folder}/${program}`;
    try {
      const info = await Deno.stat(path);
      if (info.isFile && ((info.mode ?? 0) & 0o111) !== 0) return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) throw error;
    }
  }
  return undefined;
}
