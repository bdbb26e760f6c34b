/** What all calls share: identity, deadlines, errors, ends. */
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { ResourceService } from "@k3ts/proto";
import { ApiError } from "./errors.ts";
import { currentTrace } from "./telemetry/trace.ts";
import type { CallOptions, ResourceClientOptions } from "./types.ts";

const CALL_TIMEOUT_MS = 30_000;

type Resources = Client<typeof ResourceService>;

type Rpc = { signal?: AbortSignal; timeoutMs?: number; headers: HeadersInit };

export class Caller {
  readonly #client: Resources;
  readonly #headers: Record<string, string>;

  constructor(transport: Transport, readonly options: ResourceClientOptions) {
    this.#client = createClient(ResourceService, transport);
    this.#headers = options.identity === undefined ? {} : { "k3ts-identity": options.identity };
  }

  async call<R>(run: (client: Resources, rpc: Rpc) => Promise<R>, options: CallOptions = {}): Promise<R> {
    const { signal, timeoutMs = CALL_TIMEOUT_MS } = options;
    try {
      return await run(this.#client, { timeoutMs, headers: this.#tracedHeaders(), ...(signal && { signal }) });
    } catch (error) {
      throw reasonOf(error, signal);
    }
  }

  async *stream<R>(
    open: (client: Resources, rpc: Rpc) => AsyncIterable<R>,
    outer: AbortSignal | undefined,
  ): AsyncGenerator<R, void, undefined> {
    // Connect ends a stream only by its signal, not when its reader leaves the loop.
    const left = new AbortController();
    const signal = outer === undefined ? left.signal : AbortSignal.any([outer, left.signal]);
    try {
      outer?.throwIfAborted();
      yield* open(this.#client, { signal, headers: this.#headers });
    } catch (error) {
      throw reasonOf(error, outer);
    } finally {
      left.abort(new ConnectError("the reader has left", Code.Canceled));
    }
  }

  #tracedHeaders(): HeadersInit {
    const traceparent = this.options.tellsTrace === true ? currentTrace() : "";
    return traceparent === "" ? this.#headers : { ...this.#headers, traceparent };
  }

  warn(warnings: readonly string[]): void {
    for (const warning of warnings) this.options.onWarning?.(warning);
  }
}

/** A call that was ended on purpose says why, and nothing else. */
function reasonOf(error: unknown, signal: AbortSignal | undefined): unknown {
  return signal?.aborted ? signal.reason : ApiError.from(error);
}
