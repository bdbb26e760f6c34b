/** The folder outside of the checkout in which images are kept, with all that they are made of. */
import { CACHE } from "../paths.ts";

export const FOLDER: string = `${CACHE}/images`;

export type Say = (line: string) => void;
