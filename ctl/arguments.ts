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
