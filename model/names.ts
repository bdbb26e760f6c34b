/** What things may be called (RFC 1123, RFC 1035, Kubernetes's own rules), and names made for those who ask for one. */

/** Lower-case letters without vowels, and digits without those that look like them: no made name is a word. */
const SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH = 5;
/** Longest name that is made; the prefix is cut to fit. */
const GENERATED_LENGTH_MAX = 63;

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const SEARCH_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
const SEARCH_DOMAIN = `${SEARCH_LABEL}(\\.${SEARCH_LABEL})*`;
const LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE = `(${QUALIFIED})?`;
const CONFIG_KEY = "[-._a-zA-Z0-9]+";

const LABEL_LENGTH_MAX = 63;
const SUBDOMAIN_LENGTH_MAX = 253;

const LABEL_WORDS = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', " +
  "and must start and end with an alphanumeric character";
const SUBDOMAIN_WORDS =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', " +
  "and must start and end with an alphanumeric character";
const LABEL_1035_WORDS = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', " +
  "start with an alphabetic character, and end with an alphanumeric character";
const QUALIFIED_WORDS = "must consist of alphanumeric characters, '-', '_' or '.', " +
  "and must start and end with an alphanumeric character";
const LABEL_VALUE_WORDS =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', " +
  "and must start and end with an alphanumeric character";

/** What is wrong with a DNS label (RFC 1123); empty where nothing is. */
export function dnsLabelProblems(value: string): string[] {
  const problems = longerThan(value, LABEL_LENGTH_MAX, "characters");
  const bad = unlike(value, LABEL, LABEL_WORDS, ["my-name", "123-abc"]);
  if (bad.length > 0) problems.push(unlike(value, SUBDOMAIN, "", []).length === 0 ? "must not contain dots" : bad[0]!);
  return problems;
}

/** What is wrong with a DNS subdomain (RFC 1123): labels with dots between. */
export function dnsSubdomainProblems(value: string): string[] {
  return [
    ...longerThan(value, SUBDOMAIN_LENGTH_MAX, "characters"),
    ...unlike(value, SUBDOMAIN, SUBDOMAIN_WORDS, ["example.com"]),
  ];
}

/** What is wrong with a domain that DNS searches: as a subdomain, but labels of services may begin with an underscore. */
export function searchDomainProblems(value: string): string[] {
  return [
    ...longerThan(value, SUBDOMAIN_LENGTH_MAX, "characters"),
    ...unlike(value, SEARCH_DOMAIN, SUBDOMAIN_WORDS.replace("'-' or", "'_', '-' or"), ["example.com"]),
  ];
}

/** What is wrong with a DNS label that must begin with a letter (RFC 1035). */
export function dns1035LabelProblems(value: string): string[] {
  return [
    ...longerThan(value, LABEL_LENGTH_MAX, "characters"),
    ...unlike(value, LABEL_1035, LABEL_1035_WORDS, ["my-name", "abc-123"]),
  ];
}

/** What is wrong with `name` or `prefix/name`, as keys of labels are. */
export function qualifiedNameProblems(value: string): string[] {
  const parts = value.split("/");
  const problems: string[] = [];
  if (parts.length > 2) {
    return [
      `a qualified name ${expectation(QUALIFIED_WORDS, QUALIFIED, ["MyName", "my.name", "123-abc"])} ` +
      "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
    ];
  }
  const [prefix, name] = parts.length === 2 ? parts as [string, string] : [undefined, parts[0]!];
  if (prefix === "") problems.push("prefix part must be non-empty");
  else if (prefix !== undefined) {
    problems.push(...dnsSubdomainProblems(prefix).map((problem) => `prefix part ${problem}`));
  }
  if (name === "") problems.push("name part must be non-empty");
  else problems.push(...longerThan(name, LABEL_LENGTH_MAX, "bytes").map((problem) => `name part ${problem}`));
  problems.push(
    ...unlike(name, QUALIFIED, QUALIFIED_WORDS, ["MyName", "my.name", "123-abc"]).map((problem) =>
      `name part ${problem}`
    ),
  );
  return problems;
}

/** What is wrong with a label's value; it may be empty. */
export function labelValueProblems(value: string): string[] {
  return [
    ...longerThan(value, LABEL_LENGTH_MAX, "bytes"),
    ...unlike(value, LABEL_VALUE, LABEL_VALUE_WORDS, ["MyValue", "my_value", "12345"]),
  ];
}

/** What is wrong with the name of an environment variable: anything printable but `=`. */
export function environmentNameProblems(value: string): string[] {
  if (value === "") return ["environment variable name must be non-empty"];
  return /^[\x20-\x3c\x3e-\x7e]+$/.test(value)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** What is wrong with a key of a ConfigMap or Secret: it becomes a file's name. */
export function configKeyProblems(value: string): string[] {
  const problems = [
    ...longerThan(value, SUBDOMAIN_LENGTH_MAX, "characters"),
    ...unlike(value, CONFIG_KEY, "a valid config key must consist of alphanumeric characters, '-', '_' or '.'", [
      "key.name",
      "KEY_NAME",
      "key-name",
    ]),
  ];
  if (value === ".") problems.push("must not be '.'");
  if (value === "..") problems.push("must not be '..'");
  else if (value.startsWith("..")) problems.push("must not start with '..'");
  return problems;
}

/** What is wrong with a name that stands alone in a URL's path: roles are named so. */
export function pathSegmentProblems(value: string, prefix: boolean): string[] {
  const problems: string[] = [];
  if (!prefix && (value === "." || value === "..")) problems.push(`may not be '${value}'`);
  for (const part of ["/", "%"]) if (value.includes(part)) problems.push(`may not contain '${part}'`);
  return problems;
}

/** What is wrong with the name of a port: letters, digits and single dashes, a letter among them. */
export function portNameProblems(value: string): string[] {
  const problems = longerThan(value, 15, "characters");
  if (!/^[-a-z0-9]+$/.test(value)) {
    problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!/[a-z]/.test(value)) problems.push("must contain at least one letter (a-z)");
  if (value.includes("--")) problems.push("must not contain consecutive hyphens");
  if (value !== "" && (value.startsWith("-") || value.endsWith("-"))) {
    problems.push("must not begin or end with a hyphen");
  }
  return problems;
}

/** What is wrong with a port's number. */
export function portNumberProblems(value: number): string[] {
  return value >= 1 && value <= 65535 ? [] : ["must be between 1 and 65535, inclusive"];
}

/**
 * A name for who asked by generateName: its prefix, cut to fit, and five characters.
 * @param random numbers in [0, 1), as Math.random gives them
 */
export function generateName(prefix: string, random: () => number): string {
  return prefix.slice(0, GENERATED_LENGTH_MAX - SUFFIX_LENGTH) + randomSuffix(random);
}

/** Characters of the alphabet that made names end in. */
export function randomSuffix(random: () => number, length: number = SUFFIX_LENGTH): string {
  let suffix = "";
  for (let i = 0; i < length; i++) suffix += SUFFIX_ALPHABET[Math.floor(random() * SUFFIX_ALPHABET.length)];
  return suffix;
}

/** Text of digits (a hash) in the alphabet of made names, character by character, as pod-template-hash is written. */
export function safeEncode(text: string): string {
  return Array.from(text, (character) => SUFFIX_ALPHABET[character.codePointAt(0)! % SUFFIX_ALPHABET.length]).join("");
}

/** A prefix as a name is judged: made names get a suffix, so that it may end in a dash. */
export function maskTrailingDash(prefix: string): string {
  return prefix.length > 1 && prefix.endsWith("-") ? `${prefix.slice(0, -1)}a` : prefix;
}

/** Kubernetes counts bytes always, and says so in some places only. */
function longerThan(value: string, max: number, unit: "bytes" | "characters"): string[] {
  return new TextEncoder().encode(value).length > max ? [`must be no more than ${max} ${unit}`] : [];
}

function unlike(value: string, pattern: string, words: string, examples: string[]): string[] {
  return new RegExp(`^${pattern}$`).test(value) ? [] : [expectation(words, pattern, examples)];
}

function expectation(words: string, pattern: string, examples: string[]): string {
  const shown = examples.map((example, i) => `${i === 0 ? "" : " or "}'${example}', `).join("");
  return `${words} (e.g. ${shown}regex used for validation is '${pattern}')`;
}
