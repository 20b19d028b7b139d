// Dead links in our Markdown, without a network: relative files, folders and #headings. Web addresses are not tried.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectFiles, root } from './files.mjs';

/** The anchors GitHub gives to the headings of a Markdown text, plus explicit id= and name= ones. */
export function anchors(text) {
    const found = new Set();
    const prose = withoutFences(text);
    for (const [, heading] of prose.matchAll(/^ {0,3}#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$/gm)) {
        const plain = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/<[^>]+>/g, '');
        const slug = plain
            .trim()
            .toLowerCase()
            .replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, '')
            .replace(/\s/g, '-');
        let anchor = slug;
        for (let n = 1; found.has(anchor); n++) anchor = `${slug}-${n}`;
        found.add(anchor);
    }
    for (const [, id] of prose.matchAll(/<[^>]*\b(?:id|name)="([^"]+)"/g)) found.add(id);
    return found;
}

/** Link targets with their line numbers: inline, image, reference definitions and HTML href/src. */
export function links(text) {
    const prose = withoutFences(text).replace(/(`+)(?!`)[^\n]*?(?<!`)\1(?!`)/g, (code) => ' '.repeat(code.length));
    const found = [];
    const patterns = [
        /\]\(\s*<([^>\n]+)>/g,
        /\]\(\s*([^\s()<>]+(?:\([^\s()]*\)[^\s()<>]*)*)(?:\s+["'(][^)\n]*)?\s*\)/g,
        /^ {0,3}\[(?!\^)[^\]]+\]:\s+<?([^\s>]+)/gm,
        /\b(?:href|src)="([^"]+)"/g,
    ];
    for (const pattern of patterns) {
        for (const match of prose.matchAll(pattern)) {
            found.push({ target: match[1], line: prose.slice(0, match.index).split('\n').length });
        }
    }
    return found;
}

/** Code blocks blanked, line numbers kept. */
function withoutFences(text) {
    let fence;
    return text
        .split('\n')
        .map((line) => {
            const mark = /^\s*(?:>\s*)*(`{3,}|~{3,})/.exec(line)?.[1];
            if (fence === undefined) {
                fence = mark;
                return mark === undefined ? line : '';
            }
            if (mark !== undefined && mark[0] === fence[0] && mark.length >= fence.length) fence = undefined;
            return '';
        })
        .join('\n')
        .replace(/<!--[\s\S]*?-->/g, (comment) => comment.replace(/[^\n]/g, ' '));
}

/** One message per dead link among `files` (paths relative to `base`). */
export function deadLinks(base, files) {
    const known = new Map();
    const anchorsOf = (path) => {
        if (!known.has(path)) known.set(path, anchors(readFileSync(path, 'utf8')));
        return known.get(path);
    };
    const dead = [];
    for (const file of files) {
        for (const { target, line } of links(readFileSync(join(base, file), 'utf8'))) {
            if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(target)) continue;
            const [path, fragment] = decode(target).split('#');
            const name = path.replace(/\?.*$/, '');
            const from = name.startsWith('/') ? base : join(base, dirname(file));
            const resolved = name === '' ? join(base, file) : join(from, name);
            if (!existsSync(resolved)) dead.push(`${file}:${line}: no such file: ${target}`);
            else if (fragment && resolved.endsWith('.md') && !anchorsOf(resolved).has(fragment.toLowerCase()))
                dead.push(`${file}:${line}: no such heading: ${target}`);
        }
    }
    return dead;
}

function decode(target) {
    try {
        return decodeURIComponent(target);
    } catch {
        return target;
    }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
    const files = projectFiles().filter((path) => path.endsWith('.md'));
    const dead = deadLinks(root, files);
    if (dead.length > 0) {
        console.error(dead.join('\n'));
        process.exitCode = 1;
    } else {
        console.log(`${files.length} Markdown files, no dead links`);
    }
}
