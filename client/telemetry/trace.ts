/**
 * Traces, by OpenTelemetry as Deno has it built in (`OTEL_DENO=true` and the usual `OTEL_*` variables). Off, each of
 * these does nothing but what it was given to do.
 *
 * What happens because of a change belongs to the trace of that change: watch events carry the context of the write
 * that made them (W3C Trace Context, `traceparent`), informers hand it on with the change, and whoever acts on it acts
 * within it. So one trace leads from an API write over controllers and scheduler to a running container.
 */
import {
  context,
  createContextKey,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";

export type Attributes = Readonly<Record<string, string | number | boolean>>;

const tracer = trace.getTracer("k3ts");

/** Deno has set it up before the first line of ours, or never will: then no context is kept. */
const isOn: boolean = (() => {
  const key = createContextKey("k3ts");
  return context.with(ROOT_CONTEXT.setValue(key, true), () => context.active().getValue(key) === true);
})();

/** The `traceparent` of what is being done now; empty outside of any trace. */
export function currentTrace(): string {
  if (!isOn) return "";
  if (trace.getActiveSpan() === undefined && trace.getSpanContext(context.active()) === undefined) return "";
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier);
  return carrier.traceparent ?? "";
}

/** Does something as a part of a trace; of none where `traceparent` is empty. */
export function withinTrace<T>(traceparent: string, work: () => T): T {
  if (!isOn) return work();
  return traceparent === ""
    ? untraced(work)
    : context.with(propagation.extract(context.active(), { traceparent }), work);
}

/** Does something as a part of no trace: what goes on for long after it was begun. */
export function untraced<T>(work: () => T): T {
  return isOn ? context.with(ROOT_CONTEXT, work) : work();
}

/** Calls what was done until now by a name that says more. */
export function nameSpan(name: string, attributes: Attributes = {}): void {
  if (isOn) trace.getActiveSpan()?.updateName(name).setAttributes(attributes);
}

/**
 * Does something as a span of its own, within the trace of `traceparent`. Without one nothing is recorded: work that
 * nobody's change has led to is nobody's trace.
 */
export function traced<T>(
  traceparent: string,
  name: string,
  attributes: Attributes,
  work: () => Promise<T>,
): Promise<T> {
  if (!isOn || traceparent === "") return work();
  return withinTrace(traceparent, () => span(name, attributes, work));
}

/** A span within the trace of what is being done now, if that is traced. */
export function span<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T> {
  if (!isOn) return work();
  return tracer.startActiveSpan(name, { attributes }, async (span: Span) => {
    try {
      return await work();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
      throw error;
    } finally {
      span.end();
    }
  });
}
