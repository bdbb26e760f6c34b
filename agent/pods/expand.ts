/**
 * `$(NAME)` in commands, arguments and values (core/v1 Container.command): `$$` is a dollar, an unknown name stays
 * as it is written.
 */
export function expand(text: string, variables: ReadonlyMap<string, string>): string {
  let result = "";
  for (let at = 0; at < text.length; at++) {
    const next = text[at + 1];
    if (text[at] !== "$" || next === undefined) {
      result += text[at];
    } else if (next === "$") {
      result += "$";
      at++;
    } else if (next === "(" && text.indexOf(")", at) !== -1) {
      const end = text.indexOf(")", at);
      const name = text.slice(at + 2, end);
      result += variables.get(name) ?? text.slice(at, end + 1);
      at = end;
    } else {
      result += "$";
    }
  }
  return result;
}
