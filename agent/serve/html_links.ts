/**
 * Leads the links of a page to where it is seen: who reads a pod's page through the API server finds its `/x` at
 * `…/proxy/x`. As Kubernetes does, all that names a place by its whole path is led there, in HTML and in redirects;
 * scripts and style sheets are left alone.
 */

export interface Place {
  /** Where the root of the pod's pages is seen: `/api/v1/namespaces/n/pods/p/proxy`. */
  prefix: string;
  /** `host:port` that name the pod's server: its own address, and what the reader has asked. */
  hosts: readonly string[];
}

/** Attributes that are links, by element (WHATWG HTML, and HTML 4). */
const LINKS: Readonly<Record<string, readonly string[]>> = {
  a: ["href"],
  applet: ["codebase"],
  area: ["href"],
  audio: ["src"],
  base: ["href"],
  blockquote: ["cite"],
  body: ["background"],
  button: ["formaction"],
  command: ["icon"],
  del: ["cite"],
  embed: ["src"],
  form: ["action"],
  frame: ["longdesc", "src"],
  head: ["profile"],
  html: ["manifest"],
  iframe: ["longdesc", "src"],
  img: ["longdesc", "src", "usemap"],
  input: ["formaction", "src", "usemap"],
  ins: ["cite"],
  link: ["href"],
  object: ["classid", "codebase", "data", "usemap"],
  q: ["cite"],
  script: ["src"],
  source: ["src"],
  track: ["src"],
  video: ["poster", "src"],
};

/** What stands in them is no HTML, up to their end. */
const RAW = new Set(["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"]);

/** A tag that is longer is taken for text, with all that has come of it. */
const TAG_CHARS_MAX = 8 * 1024;

const COMMENT = "<!--";
const TAG = /^<([a-zA-Z][^\s/>]*)((?:[^"'>]|"[^"]*"|'[^']*')*)>/;
/** From the beginning of a name on only: else a name of a page's length would be read from each of its characters. */
const ATTRIBUTE = /(?<![^\s"'<>/=])([^\s"'<>/=]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'<>]+)/g;

/** @returns what a link becomes; what is relative or leads elsewhere stays */
export function leadLink(link: string, { prefix, hosts }: Place): string {
  const [, host, path = ""] = /^(?:(?:https?:)?\/\/([^/?#]*))?(.*)$/is.exec(link) ?? [];
  if (host !== undefined && !hosts.includes(host.toLowerCase())) return link;
  if (!path.startsWith("/")) return link;
  return path === prefix || path.startsWith(`${prefix}/`) ? path : `${prefix}${path}`;
}

/** The longest end of something that is passed over, `</textarea ` and the like, which may come in pieces. */
const END_CHARS_MAX = 16;

/** What became of the beginning of a text. */
interface Step {
  /** How much of it is done with. */
  length: number;
  /** What stands for that, where it is not itself. */
  instead?: string;
}

/** Reads a page as it comes. Each character stands for a byte, whatever the page's encoding is, if ASCII is part of it. */
export class LinkRewriter {
  readonly #place: Place;
  #kept = "";
  /** The end of what is being passed over. */
  #skipTo: RegExp | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  push(text: string): string {
    return this.#take(text, false);
  }

  end(): string {
    return this.#take("", true);
  }

  #take(text: string, isLast: boolean): string {
    let rest = this.#kept + text;
    let out = "";
    while (rest !== "") {
      const step = this.#skipTo === undefined ? this.#read(rest) : this.#skip(rest, isLast);
      if (step === undefined && !isLast && rest.length < TAG_CHARS_MAX) break;
      const { length, instead } = step ?? { length: rest.length };
      out += instead ?? rest.slice(0, length);
      rest = rest.slice(length);
    }
    this.#kept = rest;
    return out;
  }

  /** @returns undefined while it must be known how the text goes on */
  #read(rest: string): Step | undefined {
    if (!rest.startsWith("<")) {
      const at = rest.indexOf("<");
      return { length: at === -1 ? rest.length : at };
    }
    if (rest.length < COMMENT.length && COMMENT.startsWith(rest)) return undefined;
    if (rest.startsWith(COMMENT)) {
      this.#skipTo = /-->/;
      return { length: COMMENT.length };
    }
    if (!/^<[a-zA-Z]/.test(rest)) return { length: 1 };
    const [tag, name = "", attributes = ""] = TAG.exec(rest) ?? [];
    if (tag === undefined) return undefined;
    const element = name.toLowerCase();
    if (RAW.has(element)) this.#skipTo = new RegExp(`</${element}(?=[\\s/>])`, "i");
    const links = LINKS[element];
    return links === undefined
      ? { length: tag.length }
      : { length: tag.length, instead: `<${name}${this.#lead(attributes, links)}>` };
  }

  #skip(rest: string, isLast: boolean): Step | undefined {
    const found = this.#skipTo!.exec(rest);
    if (found !== null) {
      this.#skipTo = undefined;
      return { length: found.index + found[0].length };
    }
    const length = isLast ? rest.length : rest.length - END_CHARS_MAX;
    return length > 0 ? { length } : undefined;
  }

  #lead(attributes: string, links: readonly string[]): string {
    return attributes.replace(ATTRIBUTE, (whole, name: string, equals: string, value: string) => {
      if (!links.includes(name.toLowerCase())) return whole;
      const quote = /^["']/.test(value) ? value[0]! : "";
      const link = quote === "" ? value : value.slice(1, -1);
      return `${name}${equals}${quote}${leadLink(link, this.#place)}${quote}`;
    });
  }
}
