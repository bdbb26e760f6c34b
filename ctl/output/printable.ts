/**
 * Text that others have written, such as messages of events, as a terminal may show it: its control characters would
 * move the cursor, change what is on the screen, or more. In the manner of kubectl, which knows some of them.
 */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => {
    if (character === "\n" || character === "\t") return character;
    if (character === "\r") return "\\r";
    const code = character.charCodeAt(0);
    // Of the upper ones each is short for an escape and a letter (ECMA-48).
    if (code >= 0x80) return `^[${String.fromCharCode(code - 0x40)}`;
    return code === 0x7f ? "^?" : `^${String.fromCharCode(code + 0x40)}`;
  });
}

/** The same in one line, as names are shown: those of roles may hold anything but "/" and "%". */
export function printableLine(text: string): string {
  return printable(text).replaceAll("\n", "\\n");
}
