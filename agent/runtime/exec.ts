/** Runs one more process in a container. */
import type { Client } from "@connectrpc/connect";
import type { RuntimeService } from "@k3ts/proto";
import { Attachment } from "./attach.ts";
import type { OciProcess, OciSpec } from "./oci.ts";

export type ExecNative = Pick<Client<typeof RuntimeService>, "exec">;

const SIGKILL = 9;

export interface ExecOptions {
  command: readonly string[];
  stdin: boolean;
  tty: boolean;
  /** Of the terminal, when the program starts. */
  size?: { columns: number; rows: number };
  /** Where its shim's files go. @default one of its own below the container's */
  directory?: string;
}

/** Starts it with the container's own user, environment and rights. Close the attachment in the end. */
export async function startExec(
  runtime: ExecNative,
  containerDirectory: string,
  id: string,
  options: ExecOptions,
): Promise<Attachment> {
  const spec = JSON.parse(await Deno.readTextFile(`${containerDirectory}/config.json`)) as OciSpec;
  const process: OciProcess = {
    ...spec.process,
    args: [...options.command],
    terminal: options.tty,
    ...(options.tty && options.size !== undefined && {
      consoleSize: { width: options.size.columns, height: options.size.rows },
    }),
    env: options.tty ? withTerm(spec.process.env) : spec.process.env,
  };
  const { attachSocket } = await runtime.exec({
    id,
    directory: options.directory ?? directoryBelow(containerDirectory),
    process: new TextEncoder().encode(JSON.stringify(process)),
    stdin: options.stdin,
    tty: options.tty,
  });
  return await Attachment.connect(attachSocket);
}

/** Short, as its socket's path has at most 107 bytes. */
function directoryBelow(containerDirectory: string): string {
  return `${containerDirectory}/x${crypto.randomUUID().slice(0, 8)}`;
}

/** What runs on a terminal wants to know which. */
function withTerm(env: readonly string[]): string[] {
  return env.some((line) => line.startsWith("TERM=")) ? [...env] : [...env, "TERM=xterm"];
}

/** Output of a probe that is kept for the message. */
const OUTPUT_BYTES_MAX = 10 * 1024;

/** Runs a command to its end. Throws the signal's reason when that comes first; the process is killed then. */
export async function runExec(
  runtime: ExecNative & Pick<Client<typeof RuntimeService>, "signalExec">,
  containerDirectory: string,
  id: string,
  command: readonly string[],
  signal: AbortSignal,
): Promise<{ code: number; output: string }> {
  const directory = directoryBelow(containerDirectory);
  using attachment = await startExec(runtime, containerDirectory, id, { command, stdin: false, tty: false, directory });
  const decoder = new TextDecoder();
  let output = "";
  const close = () => attachment[Symbol.dispose]();
  signal.addEventListener("abort", close, { once: true });
  try {
    for await (const one of attachment.output()) {
      if (one.stream === "exit") return { code: one.code, output };
      if (output.length < OUTPUT_BYTES_MAX) output += decoder.decode(one.data, { stream: true });
    }
  } finally {
    signal.removeEventListener("abort", close);
  }
  if (signal.aborted) {
    // With its container it may have gone already.
    await runtime.signalExec({ id, directory, signal: SIGKILL }).catch(() => {});
    throw signal.reason;
  }
  throw new Error(`Cannot run "${command[0]}" in "${id}" as its shim must stay until the end: it has gone`);
}
