/** Logs and processes for our own clients (`stream.proto`). Which container stands in the URL, put there by the server. */
import { Code, ConnectError, type ConnectRouter, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { type ExecRequest, StreamService } from "@k3ts/proto";
import type { Attachment } from "../runtime/attach.ts";
import { type ExecNative, startExec } from "../runtime/exec.ts";
import { readLog } from "./log_reader.ts";
import { StreamError, type Target, type Targets } from "./targets.ts";

export function streamRoutes(
  targets: Targets,
  runtime: ExecNative,
  now: () => number,
): (router: ConnectRouter) => void {
  return (router) => router.service(StreamService, implement(targets, runtime, now));
}

function implement(targets: Targets, runtime: ExecNative, now: () => number): ServiceImpl<typeof StreamService> {
  return {
    async *logs(request, context) {
      const { path, isLive } = found(() => targets.log(targetOf(context), request.previous));
      const since = request.sinceTime !== ""
        ? Date.parse(request.sinceTime)
        : request.sinceSeconds !== undefined
        ? now() - Number(request.sinceSeconds) * 1000
        : undefined;
      const options = {
        follow: request.follow,
        timestamps: request.timestamps,
        ...(request.tailLines !== undefined && { tailLines: Number(request.tailLines) }),
        ...(request.limitBytes !== undefined && { limitBytes: Number(request.limitBytes) }),
        ...(since !== undefined && { since }),
      };
      for await (const data of readLog(path, options, isLive, context.signal)) yield { data };
    },

    async *exec(requests, context) {
      const iterator = requests[Symbol.asyncIterator]();
      const first = await iterator.next();
      const start = first.done ? undefined : first.value.message;
      if (start?.case !== "start") {
        throw new ConnectError(
          "Cannot run a command as the first message must be start: it is another",
          Code.InvalidArgument,
        );
      }
      const { id } = found(() => targets.running(targetOf(context)));
      const { command, stdin, tty, size } = start.value;
      using process = await startExec(runtime, targets.directoryOf(id), id, { command, stdin, tty });
      const close = () => process[Symbol.dispose]();
      context.signal.addEventListener("abort", close, { once: true });
      if (size !== undefined) await process.resize(size.columns, size.rows);
      // Ends with the call, whose requests end then.
      feed(iterator, process).catch(() => {});
      for await (const one of process.output()) {
        if (one.stream === "exit") yield { message: { case: "exitCode" as const, value: one.code } };
        else yield { message: { case: one.stream, value: new Uint8Array(one.data) } };
      }
    },
  };
}

async function feed(requests: AsyncIterator<ExecRequest>, process: Attachment): Promise<void> {
  for (let next = await requests.next(); !next.done; next = await requests.next()) {
    const { message } = next.value;
    if (message.case === "stdin") await process.write(message.value);
    if (message.case === "resize") await process.resize(message.value.columns, message.value.rows);
    if (message.case === "stdinEnd") await process.end();
  }
}

function targetOf({ url }: HandlerContext): Target {
  const query = new URL(url).searchParams;
  return {
    namespace: query.get("namespace") ?? "",
    pod: query.get("pod") ?? "",
    container: query.get("container") ?? "",
  };
}

function found<T>(look: () => T): T {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    throw new ConnectError(
      error.message,
      error.status === 404 ? Code.NotFound : Code.FailedPrecondition,
      undefined,
      undefined,
      error,
    );
  }
}
