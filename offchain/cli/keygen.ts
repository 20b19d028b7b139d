/** What the commands that make keys share: run again, they can show the key that is there. */

export const KEEP = [
    '--keep',
    'if the file is there, print the public half of what it holds; otherwise that is refused',
] as const;

export interface KeygenFlags {
    out: string;
    keep?: boolean;
}
