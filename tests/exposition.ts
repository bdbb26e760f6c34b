/**
 * Reads Prometheus's text format 0.0.4 as its strictest readers do, and finds what `promtool check metrics` warns of.
 *
 * Source: prometheus.io/docs/instrumenting/exposition_formats, /docs/practices/naming
 */

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Family {
  name: string;
  type: string;
  help: string;
  samples: Sample[];
}

const TYPES = ["counter", "gauge", "histogram", "summary", "untyped"];
const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/;
const VALUE = /^(?:[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]Inf|NaN)$/;

/** @throws {Error} that names the line, for whatever a strict reader would refuse */
export function parseExposition(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current: Family | undefined;
  if (text !== "" && !text.endsWith("\n")) throw new Error("the last line does not end");
  for (const line of text.split("\n").slice(0, -1)) {
    const refuse = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    const head = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line);
    if (head !== null) {
      const [, kind, name, rest] = head as unknown as [string, string, string, string];
      if (current?.name !== name) {
        if (families.has(name)) refuse("a family begins for the second time");
        families.set(name, current = { name, type: "", help: "", samples: [] });
      }
      const field = kind === "HELP" ? "help" : "type";
      if (current[field] !== "") refuse(`a second ${kind}`);
      if (current.samples.length > 0) refuse(`${kind} after samples`);
      if (kind === "TYPE" && !TYPES.includes(rest)) refuse("no type");
      current[field] = rest;
      continue;
    }
    if (line.startsWith("#")) refuse("a comment that says nothing");
    const sample = parseSample(line, refuse);
    if (current === undefined || familyOf(sample.name, current) !== current.name) {
      refuse("a sample that stands apart from its family");
    }
    const key = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`;
    if (seen.has(key)) refuse("a second sample of a series");
    seen.add(key);
    current!.samples.push(sample);
  }
  for (const family of families.values()) if (family.type === "histogram") checkHistogram(family);
  return families;
}

function parseSample(line: string, refuse: (why: string) => never): Sample {
  const name = NAME.exec(line)?.[0] ?? refuse("no name");
  const labels: Record<string, string> = {};
  let rest = line.slice(name.length);
  if (rest.startsWith("{")) {
    rest = rest.slice(1);
    while (!rest.startsWith("}")) {
      const [whole, label, value] = LABEL.exec(rest) ?? refuse("a label that is none");
      if (Object.hasOwn(labels, label!)) refuse("a label twice");
      labels[label!] = value!.replaceAll(/\\(.)/g, (_, one) => one === "n" ? "\n" : one);
      rest = rest.slice(whole!.length);
      if (rest.startsWith(",")) rest = rest.slice(1);
      else if (!rest.startsWith("}")) refuse("labels that do not end");
    }
    rest = rest.slice(1);
  }
  const [, value] = /^ (\S+)(?: -?\d+)?$/.exec(rest) ?? refuse("no value");
  if (!VALUE.test(value!)) refuse("no number");
  return { name, labels, value: Number(value!.replace("Inf", "Infinity")) };
}

function familyOf(sample: string, { name, type }: Family): string {
  if (sample === name) return type === "histogram" ? "" : name;
  const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : type === "summary" ? ["_sum", "_count"] : [];
  return suffixes.some((suffix) => sample === name + suffix) ? name : "";
}

function checkHistogram({ name, samples }: Family): void {
  const series = new Map<string, { below: number; inf?: number; end: number; sum: boolean; count?: number }>();
  for (const { name: sample, labels: { le, ...labels }, value } of samples) {
    const key = JSON.stringify(Object.entries(labels).sort());
    const one = series.get(key) ?? { below: 0, end: -Infinity, sum: false };
    series.set(key, one);
    if (sample.endsWith("_bucket")) {
      const end = Number(le?.replace("Inf", "Infinity"));
      if (!(end > one.end)) throw new Error(`the buckets of ${name} are not in order`);
      if (value < one.below) throw new Error(`a bucket of ${name} holds less than the one before`);
      Object.assign(one, { end, below: value, ...(end === Infinity && { inf: value }) });
    } else if (sample.endsWith("_sum")) one.sum = true;
    else one.count = value;
  }
  for (const { inf, sum, count } of series.values()) {
    if (inf === undefined || !sum || count !== inf) throw new Error(`${name} lacks +Inf, sum or count, or they differ`);
  }
}

const UNITS =
  /_(?:milliseconds|ms|minutes|hours|days|kilobytes|megabytes|kb|mb|percent|millis|micros|nanos)(?:_total)?$/;

/** @returns what is unusual, a sentence each */
export function lintExposition(families: Iterable<Family>): string[] {
  const findings: string[] = [];
  for (const { name, type, help, samples } of families) {
    const say = (what: string) => findings.push(`${name} ${what}`);
    if (help === "") say("has no help");
    if (type === "" || type === "untyped") say("has no type");
    if ((type === "counter") !== name.endsWith("_total")) say("should end in _total as counters do, and others not");
    if (/_(?:bucket|sum|count|info)$/.test(name)) say("ends as a part of another type");
    if (/_(?:counter|gauge|histogram|summary)(?:_|$)/.test(name)) say("has its type in its name");
    if (UNITS.test(name)) say("is not in a base unit");
    if (!/^[a-z][a-z0-9_]*$/.test(name)) say("is not in snake case");
    for (const { labels } of samples) {
      for (const label of Object.keys(labels)) {
        if (!/^[a-z][a-z0-9_]*$/.test(label)) say(`has the label ${label}, which is not in snake case`);
        if (label === "le" && type !== "histogram") say("has buckets and is no histogram");
      }
    }
  }
  return [...new Set(findings)];
}
