/** Options of the cluster may stand before the command, as with kubectl: `k3ts -n web get pods`. */

/** The options that may, all of which take a value. */
const LEADING = ["-n", "--namespace", "--context", "--kubeconfig", "--as", "--as-group", "--as-uid"];

export interface Arguments {
  /** Options with their values that stood before the command. */
  leading: string[];
  /** The command and what follows it. */
  rest: string[];
}

export function splitArguments(words: readonly string[]): Arguments {
  let at = 0;
  while (at < words.length) {
    const word = words[at]!;
    if (LEADING.includes(word) && at + 1 < words.length) at += 2;
    else if (LEADING.includes(word.split("=", 1)[0]!) && word.includes("=") || /^-n./.test(word)) at++;
    else break;
  }
  return { leading: words.slice(0, at), rest: words.slice(at) };
}

/** Behind the words of the command itself, so that they are options of it. */
export function placeLeading({ leading, rest }: Arguments, commandWords: number): string[] {
  return [...rest.slice(0, commandWords), ...leading, ...rest.slice(commandWords)];
}

/** What is known of an option: commander's `Option` is one. */
interface KnownOption {
  short?: string;
  long?: string;
  required: boolean;
  optional: boolean;
  negate: boolean;
}

/** Their value may be left out, and is never the next word: `--dry-run pod/a`. */
const VALUE_BEHIND_EQUALS = ["--dry-run"];

/** Flags as kubectl's users write them: `--wait=false` and `--watch=true`. */
export function settleFlags(words: readonly string[], options: readonly KnownOption[]): string[] {
  const end = words.indexOf("--");
  const own = end < 0 ? words : words.slice(0, end);
  const settled: string[] = [];
  for (const word of own) {
    const [name = "", ...values] = word.split("=");
    const value = values.join("=");
    const option = options.find(({ long }) => long === name);
    const negation = options.find(({ long, negate }) => negate && long === `--no-${name.slice(2)}`);
    if (VALUE_BEHIND_EQUALS.includes(name) && values.length === 0) settled.push(`${word}=`);
    else if (option !== undefined && !option.required && !option.optional && isBoolean(value)) {
      if (value === "true") settled.push(name);
      else if (negation !== undefined) settled.push(`--no-${name.slice(2)}`);
    } else if (option === undefined && negation !== undefined && (values.length === 0 || isBoolean(value))) {
      // It is so anyway, unless it is switched off.
      if (value === "false") settled.push(`--no-${name.slice(2)}`);
    } else settled.push(word);
  }
  return [...settled, ...words.slice(own.length)];
}

function isBoolean(text: string): boolean {
  return text === "true" || text === "false";
}
