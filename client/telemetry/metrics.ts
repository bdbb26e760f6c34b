/**
 * Figures that a process keeps of itself, in Prometheus's text format 0.0.4. Names and labels are those of the
 * Kubernetes component that the process stands for, where it has them.
 *
 * Our own, as the usual library costs each process six megabytes.
 */

export type Labels = Readonly<Record<string, string>>;

/** Most combinations of labels that a figure is kept for; what comes later is counted together, labelled "other". */
const SERIES_MAX = 2_000;

/** Seconds, from the fastest read to the longest wait. */
export const SECONDS: readonly number[] = [
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
  60,
];

type Type = "counter" | "gauge" | "histogram";

abstract class Metric<V> {
  protected readonly series = new Map<string, V>();

  constructor(
    readonly type: Type,
    readonly name: string,
    readonly help: string,
    readonly labels: readonly string[],
  ) {}

  /** @throws {TypeError} for labels that it has not */
  protected at(labels: Labels, make: () => V): V {
    const key = this.#key(labels);
    let found = this.series.get(key);
    if (found !== undefined) return found;
    const isFull = this.series.size >= SERIES_MAX;
    const kept = isFull ? this.#key(Object.fromEntries(this.labels.map((label) => [label, "other"]))) : key;
    found = this.series.get(kept) ?? make();
    this.series.set(kept, found);
    return found;
  }

  #key(labels: Labels): string {
    let key = "";
    for (const label of this.labels) {
      const value = labels[label];
      if (value === undefined) throw new TypeError(`Cannot count ${this.name} as the label "${label}" must be given`);
      key += `${key === "" ? "" : ","}${label}="${escape(value)}"`;
    }
    return key;
  }

  abstract lines(): Iterable<string>;

  *render(): Iterable<string> {
    yield `# HELP ${this.name} ${this.help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`;
    yield `# TYPE ${this.name} ${this.type}`;
    yield* this.lines();
  }
}

export class Counter extends Metric<{ value: number }> {
  add(labels: Labels = {}, by = 1): void {
    this.at(labels, () => ({ value: 0 })).value += by;
  }

  /** For what somebody else counts: how many there were until now. */
  count(total: number, labels: Labels = {}): void {
    this.at(labels, () => ({ value: 0 })).value = total;
  }

  *lines(): Iterable<string> {
    for (const [key, { value }] of this.series) yield `${this.name}${braces(key)} ${value}`;
  }
}

export class Gauge extends Metric<{ value: number }> {
  set(value: number, labels: Labels = {}): void {
    this.at(labels, () => ({ value: 0 })).value = value;
  }

  add(by: number, labels: Labels = {}): void {
    this.at(labels, () => ({ value: 0 })).value += by;
  }

  /** For figures of what comes and goes: what is not set again is gone. */
  clear(): void {
    this.series.clear();
  }

  *lines(): Iterable<string> {
    for (const [key, { value }] of this.series) yield `${this.name}${braces(key)} ${value}`;
  }
}

interface Observed {
  buckets: number[];
  sum: number;
  count: number;
}

export class Histogram extends Metric<Observed> {
  constructor(name: string, help: string, labels: readonly string[], readonly bounds: readonly number[] = SECONDS) {
    super("histogram", name, help, labels);
  }

  observe(value: number, labels: Labels = {}): void {
    const observed = this.at(labels, () => ({ buckets: this.bounds.map(() => 0), sum: 0, count: 0 }));
    observed.sum += value;
    observed.count++;
    const bucket = this.bounds.findIndex((bound) => value <= bound);
    if (bucket >= 0) observed.buckets[bucket]!++;
  }

  *lines(): Iterable<string> {
    for (const [key, { buckets, sum, count }] of this.series) {
      const separator = key === "" ? "" : ",";
      let below = 0;
      for (const [index, bound] of this.bounds.entries()) {
        below += buckets[index]!;
        yield `${this.name}_bucket{${key}${separator}le="${bound}"} ${below}`;
      }
      yield `${this.name}_bucket{${key}${separator}le="+Inf"} ${count}`;
      yield `${this.name}_sum${braces(key)} ${sum}`;
      yield `${this.name}_count${braces(key)} ${count}`;
    }
  }
}

export class Metrics {
  readonly #metrics = new Map<string, Metric<unknown>>();
  readonly #collectors: (() => void | Promise<void>)[] = [];

  counter(name: string, help: string, ...labels: string[]): Counter {
    return this.#register(new Counter("counter", name, help, labels));
  }

  gauge(name: string, help: string, ...labels: string[]): Gauge {
    return this.#register(new Gauge("gauge", name, help, labels));
  }

  histogram(
    name: string,
    help: string,
    labels: readonly string[] = [],
    bounds: readonly number[] = SECONDS,
  ): Histogram {
    return this.#register(new Histogram(name, help, labels, bounds));
  }

  /** Sets gauges when somebody asks. One that fails keeps what the others say. */
  onCollect(collect: () => void | Promise<void>): void {
    this.#collectors.push(collect);
  }

  async render(): Promise<string> {
    await Promise.allSettled(this.#collectors.map((collect) => collect()));
    const lines: string[] = [];
    for (const metric of this.#metrics.values()) for (const line of metric.render()) lines.push(line);
    return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
  }

  #register<M extends Metric<unknown>>(metric: M): M {
    if (this.#metrics.has(metric.name)) {
      throw new TypeError(`Cannot keep ${metric.name} as its name must be new: it is kept`);
    }
    this.#metrics.set(metric.name, metric);
    return metric;
  }
}

function braces(key: string): string {
  return key === "" ? "" : `{${key}}`;
}

function escape(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** The content type of what {@link Metrics.render} makes. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * One document of several processes' figures, each told apart by a label `process`. Samples of one name must stand
 * together, so that they are gathered by name. Where a sample has such a label already it is kept by another name, as
 * Prometheus itself does.
 */
export function mergeMetrics(documents: ReadonlyMap<string, string>): string {
  const families = new Map<string, { head: string[]; samples: string[] }>();
  for (const [process, text] of documents) {
    let family: { head: string[]; samples: string[] } | undefined;
    for (const line of text.split("\n").filter((line) => line !== "")) {
      const [, kind, name] = /^# (HELP|TYPE) (\S+)/.exec(line) ?? [];
      if (kind === undefined) {
        // A comment of another kind, or a sample of a family that has none.
        if (line.startsWith("#")) continue;
        if (family === undefined) families.set(/^\w*/.exec(line)![0], family = { head: [], samples: [] });
        family.samples.push(labelled(line, process));
        continue;
      }
      const known = families.get(name!);
      if (known === undefined) families.set(name!, family = { head: [line], samples: [] });
      else {
        family = known;
        if (!family.head.some((head) => head.startsWith(`# ${kind} `))) family.head.push(line);
      }
    }
  }
  return [...families.values()].flatMap(({ head, samples }) => [...head, ...samples]).map((line) => `${line}\n`).join(
    "",
  );
}

function labelled(sample: string, process: string): string {
  const own = `process="${escape(process)}"`;
  const brace = sample.indexOf("{");
  const space = sample.indexOf(" ");
  if (brace < 0 || brace > space) return `${sample.slice(0, space)}{${own}}${sample.slice(space)}`;
  const rest = sample.slice(brace + 1).replace(
    /^process="|(?<=^(?:\w+="(?:[^"\\]|\\.)*",)+)process="/,
    'exported_process="',
  );
  return `${sample.slice(0, brace + 1)}${own}${rest.startsWith("}") ? "" : ","}${rest}`;
}
