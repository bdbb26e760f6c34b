/** Finds fields that stand twice in one object, which JSON.parse hides. */
import { type Path, pathText, PROBLEMS_MAX } from "./problems.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/**
 * The number of members in all objects of a JSON text, by counting colons outside of strings. When it is the number
 * of members that parsing gave, no field stood twice, and nothing more needs to be looked at.
 */
export function countMembers(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === COLON) count++;
    else if (code === QUOTE) i = endOfString(text, i);
  }
  return count;
}

/**
 * The fields that stand twice, as `duplicate field "…"`, among other problems of fields: all in the order of the text,
 * which must be valid JSON, as far as they name a field that stands there.
 * @param problems such as `unknown field "…"`
 */
export function withDuplicates(text: string, problems: readonly string[]): string[] {
  const found: string[] = [];
  const others = new Set(problems);
  const path: Path = [];
  /** Names seen in each open object; null for an open list. */
  const open: (Set<string> | null)[] = [];
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case "{":
        open.push(new Set());
        path.push("");
        break;
      case "[":
        open.push(null);
        path.push(0);
        break;
      case "}":
      case "]":
        open.pop();
        path.pop();
        break;
      case ",":
        if (open.at(-1) === null) path[path.length - 1] = (path.at(-1) as number) + 1;
        break;
      case '"': {
        const end = endOfString(text, i);
        if (nextIsColon(text, end + 1)) {
          const name = JSON.parse(text.slice(i, end + 1)) as string;
          path[path.length - 1] = name;
          const names = open.at(-1)!;
          if (found.length < PROBLEMS_MAX) {
            const field = JSON.stringify(pathText(path));
            if (names.has(name)) found.push(`duplicate field ${field}`);
            else if (others.delete(`unknown field ${field}`)) found.push(`unknown field ${field}`);
          }
          names.add(name);
        }
        i = end;
      }
    }
  }
  return [...found, ...others].slice(0, PROBLEMS_MAX);
}

function nextIsColon(text: string, from: number): boolean {
  let i = from;
  while (text[i] === " " || text[i] === "\n" || text[i] === "\r" || text[i] === "\t") i++;
  return text[i] === ":";
}

/** The index of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) return i;
    if (code === BACKSLASH) i++;
  }
  return i;
}
